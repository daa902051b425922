package sso

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/refresh"
	"github.com/stschain-go/stschain/internal/tokenfile"
	"github.com/stschain-go/stschain/internal/wire"
)

// token is the content of the file.
type token struct {
	content tokenfile.Content
	access  stschain.Secret
	expires time.Time
}

func (t *token) Content() tokenfile.Content {
	if t == nil {
		return tokenfile.Content{}
	}
	return t.content
}

func (t *token) Entry() refresh.Entry {
	if t == nil {
		return refresh.Entry{}
	}
	return refresh.Entry{ID: wire.Fingerprint(t.access), Expires: refresh.Expiry(t.expires)}
}

// window is how long before it expires a token is refreshed, as in the AWS SDKs.
const window = 5 * time.Minute

func (p *Provider) file(at places) *tokenfile.File[*token] {
	return &tokenfile.File[*token]{
		Path: at.file, Open: p.Open, Advice: p.advice(), Advisory: window, Patience: refreshPatience, Now: p.now, Parse: p.parse,
		Prepare: func(t *token) (func(context.Context) (*token, error), error) {
			g, err := p.grant(t)
			return func(ctx context.Context) (*token, error) { return p.redeem(ctx, at, t, g) }, err
		},
	}
}

// cachePath returns the path of the file for a name in a directory; "": the default directory.
func cachePath(dir, name string) (string, error) {
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", stschain.Permanent(errors.New("there is no home directory to find .aws/sso/cache in: set HOME, or CacheDir"))
		}
		dir = filepath.Join(home, ".aws", "sso", "cache")
	}
	sum := sha1.Sum([]byte(name))
	return filepath.Join(dir, hex.EncodeToString(sum[:])+".json"), nil
}

// parse reads the token, which may have expired.
func (p *Provider) parse(c tokenfile.Content) (*token, error) {
	startURL, err := c.Text("startUrl")
	if err != nil {
		return nil, err
	}
	if have, want := bare(startURL.Reveal()), bare(p.StartURL); have != "" && want != "" && have != want {
		return nil, fmt.Errorf("its token is for a start URL other than %s", redact.OneLine(p.StartURL, 256))
	}
	access, err := c.Text("accessToken")
	if err != nil {
		return nil, err
	}
	if err := sendable(access); err != nil {
		return nil, err
	}
	expires, err := c.Time("expiresAt")
	if err == nil && expires.IsZero() {
		err = errors.New("it has no expiresAt")
	}
	if err != nil {
		return nil, err
	}
	return &token{c, access, expires}, nil
}

// bare is a start URL without a trailing slash or #, which browsers and users add.
func bare(startURL string) string { return strings.TrimRight(strings.TrimSpace(startURL), "/#") }

// sendable returns an error if an access token cannot be the value of a header.
func sendable(token stschain.Secret) error {
	switch {
	case token.IsZero():
		return errors.New("it has no accessToken")
	case strings.ContainsFunc(token.Reveal(), func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("its accessToken has characters that are not allowed in a header")
	}
	return nil
}
