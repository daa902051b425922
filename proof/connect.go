package proof

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/wire"
)

// connector presigns connections to a service that is not an HTTP server: the URL, without its scheme,
// is the password.
type connector struct{ signer }

// connection describes the connection that a connector signs.
type connection struct {
	credentials stschain.Provider
	service     string // signing name
	region      string
	fields      []field // exported fields that are required in addition to Credentials and Region
	host        string
	path        string // "": "/"
	query       url.Values
	life        time.Duration // 0: signatureLife
	minLife     time.Duration
	clock       stschain.Clock
}

// field is a required field of a type.
type field struct {
	name, value string
	valid       func(string) bool // nil: any value
	needed      string            // a description of a valid value
}

func (f field) check() error {
	switch {
	case f.value == "":
		return flow.Missing(f.name)
	case f.valid != nil && !f.valid(f.value):
		return stschain.Permanent(fmt.Errorf("%s is %.128q, and %s is required", f.name, f.value, f.needed))
	}
	return nil
}

// presign returns the signed URL.
func (c *connector) presign(ctx context.Context, scheme string, to connection) (string, signing, error) {
	if to.credentials == nil {
		return "", signing{}, flow.Missing("Credentials")
	}
	for _, f := range append(to.fields, field{name: "Region", value: to.region}) {
		if err := f.check(); err != nil {
			return "", signing{}, err
		}
	}
	c.once.Do(func() {
		c.cache = wire.Cached(to.credentials, to.clock)
		c.sigv4.Service, c.sigv4.Region = to.service, to.region
	})
	life := cmp.Or(to.life, signatureLife)
	by, err := c.begin(ctx, terms{life: life, minLife: to.minLife, clock: to.clock})
	if err != nil {
		return "", signing{}, err
	}
	u := &url.URL{Scheme: scheme, Host: to.host, Path: cmp.Or(to.path, "/"), RawQuery: to.query.Encode()}
	signed, _, err := c.signer.presign(&http.Request{Method: http.MethodGet, URL: u}, by, life)
	return signed, by, err
}

// password returns the signed URL without its scheme.
func (c *connector) password(ctx context.Context, to connection) (Token, error) {
	const scheme = "tcp" // not signed, and has no default port that would be removed
	signed, by, err := c.presign(ctx, scheme, to)
	if err != nil {
		return Token{}, err
	}
	return Token{stschain.NewSecret(strings.TrimPrefix(signed, scheme+"://")), by.expires}, nil
}

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, badPort := strconv.ParseUint(port, 10, 16)
	u, badURL := url.Parse("https://" + s + "/")
	return err == nil && badPort == nil && badURL == nil && host != "" && n > 0 && u.Host == s
}

func isHost(s string) bool { return isHostPort(s + ":5432") }

func isCacheName(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
