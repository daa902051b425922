package proof

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/stsquery"
)

// CallerIdentity signs a call of GetCallerIdentity for a verifier that this package has no type for:
// lakeFS (X-LakeFS-Server-ID), Datadog (X-Ddog-Org-Id), Consul (X-Consul-IAM-ServerID), or your own. The
// verifier checks that the header is signed and names the verifier, sends the call, and trusts the
// response of STS.
//
// It is safe for concurrent use. Do not change its fields after first use, and do not copy it.
type CallerIdentity struct {
	Client   *stsquery.Client // required; its Credentials are those of the identity
	Header   string           // required: the header in which the verifier expects its name. Not Host, Content-* or X-Amz-*, and not one that proxies change
	Audience string           // required: the verifier's name
	MinLife  time.Duration    // see the package comment; up to 15 minutes

	caller caller
}

// URL returns a presigned GET. The verifier must send Header with it.
func (c *CallerIdentity) URL(ctx context.Context) (_ Token, err error) {
	defer flow.Wrap(&err, "proof", "no presigned GetCallerIdentity")
	s, err := c.statement()
	if err != nil {
		return Token{}, err
	}
	signed, by, err := c.caller.url(ctx, s, signatureLife)
	if err != nil {
		return Token{}, err
	}
	return Token{stschain.NewSecret(signed), by.expires}, nil
}

// Request is a signed request, which the verifier sends unchanged.
type Request struct {
	Method  string
	URL     string
	Header  []Header // sorted by name, one of each
	Body    string
	Expires time.Time // on this process's clock
}

// Header is a header field of a Request.
type Header struct {
	Name  string
	Value stschain.Secret // Authorization and X-Amz-Security-Token are among them
}

// Reveal returns the header in the form of net/http.
func (r Request) Reveal() http.Header {
	h := make(http.Header, len(r.Header))
	for _, line := range r.Header {
		h.Set(line.Name, line.Value.Reveal())
	}
	return h
}

// Request returns a signed POST, whose body is the call. Use it for formats that this package does not support.
func (c *CallerIdentity) Request(ctx context.Context) (_ Request, err error) {
	defer flow.Wrap(&err, "proof", "no signed GetCallerIdentity")
	s, err := c.statement()
	if err != nil {
		return Request{}, err
	}
	req, by, err := c.caller.post(ctx, s, false)
	if err != nil {
		return Request{}, err
	}
	body, _ := io.ReadAll(req.Body) // it is in memory
	r := Request{Method: req.Method, URL: req.URL.String(), Body: string(body), Expires: by.expires}
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		r.Header = append(r.Header, Header{name, stschain.NewSecret(req.Header.Get(name))})
	}
	return r, nil
}

func (c *CallerIdentity) statement() (statement, error) {
	switch {
	case c.Header == "":
		return statement{}, flow.Missing("Header")
	case !isFreeHeader(c.Header):
		return statement{}, stschain.Permanent(fmt.Errorf("Header is %.64q, which cannot contain an audience", strings.ToValidUTF8(c.Header, "?")))
	}
	return statement{
		client: c.Client, header: c.Header, audience: c.Audience, field: "Audience",
		life: signatureLife, minLife: c.MinLife,
	}, nil
}
