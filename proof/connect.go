package proof

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// connector presigns connections to a service that is no HTTP server: the URL,
// without its scheme, is the password.
type connector struct{ signer }

// connection is what a connector signs.
type connection struct {
	credentials stschain.Provider
	service     string // signing name
	region      string
	url         url.URL
	life        time.Duration
	minLife     time.Duration
	clock       stschain.Clock
}

// presign returns the signed URL.
func (c *connector) presign(ctx context.Context, to connection) (string, signing, error) {
	switch {
	case to.credentials == nil:
		return "", signing{}, stschain.Permanent(errors.New("Credentials is missing"))
	case to.region == "":
		return "", signing{}, stschain.Permanent(errors.New("Region is missing"))
	}
	c.once.Do(func() {
		c.cache = wire.Cached(to.credentials, to.clock)
		c.sigv4.Service, c.sigv4.Region = to.service, to.region
	})
	by, err := c.begin(ctx, terms{life: to.life, minLife: to.minLife, clock: to.clock})
	if err != nil {
		return "", signing{}, err
	}
	signed, _, err := c.signer.presign(&http.Request{Method: http.MethodGet, URL: &to.url}, by, to.life)
	return signed, by, err
}

// password is the signed URL without its scheme, of which to has none.
func (c *connector) password(ctx context.Context, to connection) (Token, error) {
	to.url.Scheme = "tcp" // it is not signed; the port that https or http implies would be cut off
	signed, by, err := c.presign(ctx, to)
	if err != nil {
		return Token{}, err
	}
	return Token{stschain.NewSecret(signed[len(to.url.Scheme+"://"):]), by.expires}, nil
}

// cachePassword is for the cache or cluster of this name, which a field holds.
func (c *connector) cachePassword(ctx context.Context, field, name, user string, query url.Values, to connection) (Token, error) {
	switch {
	case name == "":
		return Token{}, stschain.Permanent(fmt.Errorf("%s is missing", field))
	case !isCacheName(name):
		return Token{}, stschain.Permanent(fmt.Errorf("%s is %.128q, and a name is needed, not an address: small letters, digits and hyphens", field, name))
	case user == "":
		return Token{}, stschain.Permanent(errors.New("User is missing"))
	}
	query.Set("Action", "connect")
	query.Set("User", user)
	to.url = url.URL{Host: name, Path: "/", RawQuery: query.Encode()}
	to.life = signatureLife
	return c.password(ctx, to)
}

func isCacheName(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
