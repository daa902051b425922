package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// CallerIdentity signs a call of GetCallerIdentity for a verifier that this package
// has no type for: lakeFS (X-LakeFS-Server-ID), Datadog (X-Ddog-Org-Id), Consul
// (X-Consul-IAM-ServerID), one's own. The verifier makes the call and believes what
// STS answers, after it has seen that the header is signed and names the verifier.
//
// It is safe for concurrent use. Its fields are not changed after first use, and it
// is not copied.
type CallerIdentity struct {
	Client   *stsquery.Client // required; the statement is about its Credentials
	Header   string           // required: where the verifier looks for its name. Not Host, Content-* or X-Amz-*, nor one that proxies change
	Audience string           // required: the verifier's name
	MinLife  time.Duration    // see the package comment; up to 15 minutes

	caller caller
}

// URL returns a presigned GET. The verifier must send Header along.
func (c *CallerIdentity) URL(ctx context.Context) (Token, error) {
	s, err := c.statement()
	if err != nil {
		return Token{}, fmt.Errorf("proof: no presigned GetCallerIdentity: %w", err)
	}
	signed, by, err := c.caller.url(ctx, s, signatureLife)
	if err != nil {
		return Token{}, fmt.Errorf("proof: no presigned GetCallerIdentity: %w", err)
	}
	return Token{stschain.NewSecret(signed), by.expires}, nil
}

// Request is a signed request for somebody else to send, as it is.
type Request struct {
	Method  string
	URL     string
	Header  []Header // sorted by name, one of each
	Body    string
	Expires time.Time // on this process's clock
}

// Header is one line of a Request.
type Header struct {
	Name  string
	Value stschain.Secret // Authorization and X-Amz-Security-Token are among them
}

// Reveal returns the header as net/http has it.
func (r Request) Reveal() http.Header {
	h := make(http.Header, len(r.Header))
	for _, line := range r.Header {
		h.Set(line.Name, line.Value.Reveal())
	}
	return h
}

// Request returns a signed POST, whose body is the call. Formats that this package
// does not know can be made of it.
func (c *CallerIdentity) Request(ctx context.Context) (Request, error) {
	req, by, err := c.request(ctx)
	if err != nil {
		return Request{}, fmt.Errorf("proof: no signed GetCallerIdentity: %w", err)
	}
	body, _ := io.ReadAll(req.Body) // it is in memory
	r := Request{Method: req.Method, URL: req.URL.String(), Body: string(body), Expires: by.expires}
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		r.Header = append(r.Header, Header{name, stschain.NewSecret(req.Header.Get(name))})
	}
	return r, nil
}

func (c *CallerIdentity) request(ctx context.Context) (*http.Request, signing, error) {
	s, err := c.statement()
	if err != nil {
		return nil, signing{}, err
	}
	by, err := c.caller.begin(ctx, s)
	if err != nil {
		return nil, signing{}, err
	}
	req, err := c.caller.post(s, by, c.caller.to.URL, getCallerIdentity)
	return req, by, err
}

func (c *CallerIdentity) statement() (statement, error) {
	switch {
	case c == nil:
		return statement{}, stschain.Permanent(errors.New("the CallerIdentity is nil"))
	case c.Header == "":
		return statement{}, stschain.Permanent(errors.New("Header is missing: it tells the verifier who the token is for"))
	case !isFreeHeader(c.Header):
		return statement{}, stschain.Permanent(fmt.Errorf("Header is %.64q, which cannot name an audience", strings.ToValidUTF8(c.Header, "?")))
	}
	return statement{
		client: c.Client, header: c.Header, audience: c.Audience, field: "Audience",
		life: signatureLife, minLife: c.MinLife,
	}, nil
}
