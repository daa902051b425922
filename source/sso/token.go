package sso

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/keyjson"
	"github.com/stschain-go/stschain/internal/tokenfile"
)

// token is what the file says.
type token struct {
	content tokenfile.Content
	access  stschain.Secret
	expires time.Time
}

// window is how long before it expires a token is refreshed, as in the AWS SDKs.
const window = 5 * time.Minute

func (p *Provider) fresh(t token) bool { return p.now().Add(window).Before(t.expires) }

// path is that of the file.
func (p *Provider) path() (string, error) {
	dir := p.CacheDir
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", stschain.Permanent(errors.New("there is no home directory to find .aws/sso/cache in: set HOME, or CacheDir"))
		}
		dir = filepath.Join(home, ".aws", "sso", "cache")
	}
	name := p.Session
	if name == "" {
		name = p.StartURL
	}
	sum := sha1.Sum([]byte(name))
	return filepath.Join(dir, hex.EncodeToString(sum[:])+".json"), nil
}

// token is one that can be used now.
func (p *Provider) token(ctx context.Context, at places) (token, error) {
	held, err := p.load(ctx, at.file)
	if err != nil || p.fresh(held) {
		return held, err
	}
	renewed, err := p.refresh(ctx, at, held)
	switch {
	case err == nil:
		return renewed, nil
	case ctx.Err() != nil:
		return token{}, err
	case p.now().Before(held.expires):
		return held, nil
	}
	return token{}, fmt.Errorf("the session's token expired at %s: %w", held.expires.UTC().Format(time.RFC3339), err)
}

// load reads the token, which may have expired.
func (p *Provider) load(ctx context.Context, path string) (token, error) {
	content, err := p.store.Load(ctx, path, p.Open)
	t := token{content: content}
	if err == nil {
		err = p.read(&t)
	}
	switch {
	case err == nil:
		return t, nil
	case errors.Is(err, fs.ErrNotExist):
		return token{}, stschain.Permanent(fmt.Errorf("nobody has signed in, for there is no file %s: %s", path, p.advice()))
	case errors.Is(err, fs.ErrPermission):
		return token{}, stschain.Permanent(fmt.Errorf("%s cannot be read: %v: give this program access", path, err))
	case errors.Is(err, stschain.ErrPermanent):
		return token{}, stschain.Permanent(fmt.Errorf("%s cannot be used: %v; %s", path, err, p.advice()))
	}
	return token{}, fmt.Errorf("%s cannot be read: %w", path, err)
}

// read takes the token out of the document.
func (p *Provider) read(t *token) (err error) {
	startURL, err := t.content.Text("startUrl")
	if err != nil {
		return err
	}
	if have, want := bare(startURL.Reveal()), bare(p.StartURL); have != "" && want != "" && have != want {
		return stschain.Permanent(fmt.Errorf("its token is not of the start URL %s", keyjson.OneLine(p.StartURL, 256)))
	}
	if t.access, err = t.content.Text("accessToken"); err != nil {
		return err
	}
	if err := sendable(t.access); err != nil {
		return err
	}
	t.expires, err = t.content.Time("expiresAt")
	if err == nil && t.expires.IsZero() {
		err = stschain.Permanent(errors.New("it has no expiresAt"))
	}
	return err
}

// bare is a start URL without what browsers and people leave at its end.
func bare(startURL string) string { return strings.TrimRight(strings.TrimSpace(startURL), "/#") }

// sendable tells why an access token cannot be what a header says, if so.
func sendable(token stschain.Secret) error {
	switch {
	case token.IsZero():
		return stschain.Permanent(errors.New("it has no accessToken"))
	case strings.ContainsFunc(token.Reveal(), func(r rune) bool { return r < ' ' || r > '~' }):
		return stschain.Permanent(errors.New("its accessToken has characters that no request can carry"))
	}
	return nil
}
