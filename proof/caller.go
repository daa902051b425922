package proof

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
)

// getCallerIdentity is the call that a verifier sends to obtain the identity of the signer.
const getCallerIdentity = "Action=GetCallerIdentity&Version=2011-06-15"

const formType = "application/x-www-form-urlencoded; charset=utf-8"

// caller signs GetCallerIdentity for one audience.
type caller struct {
	signer
	to wire.Target
}

// statement is what a caller signs.
type statement struct {
	client   *stsquery.Client
	header   string // contains the audience
	audience string
	field    string        // the name of the exported field with the audience
	also     []string      // further headers that are signed
	life     time.Duration // of the token
	minLife  time.Duration
}

// begin checks a statement and retrieves the credentials that sign it.
func (c *caller) begin(ctx context.Context, s statement) (signing, error) {
	switch {
	case s.client == nil:
		return signing{}, flow.Missing("Client")
	case s.audience == "":
		return signing{}, stschain.Permanent(fmt.Errorf("%s is missing: a token without it could be used anywhere", s.field))
	case !isHeaderValue(s.audience):
		return signing{}, stschain.Permanent(fmt.Errorf("%s is not valid in a header: only printable ASCII with single spaces between words is sent unchanged", s.field))
	}
	var to wire.Target
	if _, err := s.client.Presign(wire.WithTarget(ctx, &to), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}}); err != nil {
		return signing{}, err
	}
	c.once.Do(func() {
		c.to, c.cache = to, s.client.Cache()
		c.sigv4.Service, c.sigv4.Region = to.Service, to.Region
		c.sigv4.SignedHeaders = append([]string{s.header}, s.also...)
	})
	return c.signer.begin(ctx, terms{life: s.life, minLife: s.minLife, clock: s.client.Clock, skew: to.Ahead})
}

// url presigns a statement as a GET; life is the X-Amz-Expires of the URL.
func (c *caller) url(ctx context.Context, s statement, life time.Duration) (string, signing, error) {
	by, err := c.begin(ctx, s)
	if err != nil {
		return "", signing{}, err
	}
	req := c.request(http.MethodGet, s, c.inQuery(), nil)
	signed, header, err := c.presign(req, by, life)
	if err == nil && header.Get(s.header) != s.audience {
		err = unsigned(s.header)
	}
	return signed, by, err
}

// post signs a statement as a POST, with the call in its body, or in its query with no body.
func (c *caller) post(ctx context.Context, s statement, inQuery bool) (*http.Request, signing, error) {
	by, err := c.begin(ctx, s)
	if err != nil {
		return nil, signing{}, err
	}
	u, body := c.to.URL, []byte(getCallerIdentity)
	if inQuery {
		u, body = c.inQuery(), nil
	}
	req := c.request(http.MethodPost, s, u, body)
	err = c.sigv4.Sign(req, sigv4.PayloadHash(body), by.creds, by.at)
	if err == nil && (!signs(req.Header.Get("Authorization"), s.header) || req.Header.Get(s.header) != s.audience) {
		err = unsigned(s.header)
	}
	return req, by, err
}

// request returns an unsigned request for a statement.
func (c *caller) request(method string, s statement, u *url.URL, body []byte) *http.Request {
	req := &http.Request{Method: method, URL: u, Host: u.Host, Header: http.Header{}}
	req.Header.Set(s.header, s.audience)
	if len(body) > 0 {
		req.Header.Set("Content-Type", formType)
		req.ContentLength = int64(len(body))
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return req
}

// inQuery returns the endpoint with the call in its query.
func (c *caller) inQuery() *url.URL {
	u := *c.to.URL
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += getCallerIdentity
	return &u
}

// signs reports whether an Authorization header lists a header of that name as signed.
func signs(authorization, name string) bool {
	_, list, _ := strings.Cut(authorization, "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	return slices.Contains(strings.Split(list, ";"), strings.ToLower(name))
}

func unsigned(header string) error {
	return stschain.Permanent(fmt.Errorf("the header %s cannot be signed, so it would not bind the token to its audience", header))
}

// isHeaderValue reports whether a value is sent and signed unchanged.
func isHeaderValue(s string) bool {
	return strings.Join(strings.Fields(s), " ") == s &&
		strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// isFreeHeader reports whether a header is not used by HTTP or AWS.
func isFreeHeader(name string) bool {
	name = textproto.CanonicalMIMEHeaderKey(name)
	return name != "Host" && !strings.HasPrefix(name, "Content-") && !strings.HasPrefix(name, "X-Amz-") &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return r <= ' ' || r > '~' || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r) // RFC 9110, 5.6.2
		})
}
