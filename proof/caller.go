package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
)

// getCallerIdentity is the call that a verifier makes to learn who signed it.
const getCallerIdentity = "Action=GetCallerIdentity&Version=2011-06-15"

const formType = "application/x-www-form-urlencoded; charset=utf-8"

// caller signs GetCallerIdentity for one audience.
type caller struct {
	signer
	to wire.Target
}

// statement is what a caller says.
type statement struct {
	client   *stsquery.Client
	header   string // that names the audience
	audience string
	field    string        // of the type, that audience comes from
	also     []string      // headers that are signed besides
	life     time.Duration // of the token
	minLife  time.Duration
}

// begin checks a statement and gets what it is signed with.
func (c *caller) begin(ctx context.Context, s statement) (signing, error) {
	switch {
	case s.client == nil:
		return signing{}, stschain.Permanent(errors.New("Client is missing"))
	case s.audience == "":
		return signing{}, stschain.Permanent(fmt.Errorf("%s is missing: a token without it could be used anywhere", s.field))
	case !isHeaderValue(s.audience):
		return signing{}, stschain.Permanent(fmt.Errorf("%s is not what a header can carry unchanged: printable ASCII with single spaces inside", s.field))
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

// url presigns a statement as a GET; life is what the URL itself says.
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

// post signs a statement as a POST to u, with a body or none.
func (c *caller) post(s statement, by signing, u *url.URL, body string) (*http.Request, error) {
	req := c.request(http.MethodPost, s, u, []byte(body))
	if err := c.sigv4.Sign(req, sigv4.PayloadHash([]byte(body)), by.creds, by.at); err != nil {
		return nil, err
	}
	if !signs(req.Header.Get("Authorization"), s.header) || req.Header.Get(s.header) != s.audience {
		return nil, unsigned(s.header)
	}
	return req, nil
}

// request is one for a statement, not yet signed.
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

// inQuery is the endpoint with the call in its query.
func (c *caller) inQuery() *url.URL {
	u := *c.to.URL
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += getCallerIdentity
	return &u
}

// signs reports whether an Authorization header is over a header of that name.
func signs(authorization, name string) bool {
	_, list, _ := strings.Cut(authorization, "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	return slices.Contains(strings.Split(list, ";"), strings.ToLower(name))
}

func unsigned(header string) error {
	return stschain.Permanent(fmt.Errorf("the header %s cannot be signed, so it would not bind the token to its audience", header))
}

// isHeaderValue: what arrives as it was sent, and is signed as it is.
func isHeaderValue(s string) bool {
	return strings.Join(strings.Fields(s), " ") == s &&
		strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// isFreeHeader reports whether a header is one that says nothing else already.
func isFreeHeader(name string) bool {
	name = textproto.CanonicalMIMEHeaderKey(name)
	return name != "Host" && !strings.HasPrefix(name, "Content-") && !strings.HasPrefix(name, "X-Amz-") &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return r <= ' ' || r > '~' || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r) // RFC 9110, 5.6.2
		})
}
