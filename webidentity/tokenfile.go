package webidentity

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
)

// maxToken is the longest token that STS accepts, in characters, which are single bytes in a token.
const maxToken = 20_000

// TokenFile is a source of tokens for [Provider.Token]: a file that another
// program, such as the kubelet, keeps current. It is read each time, up to
// 20,000 characters, and white space around the token is removed. Errors name
// the file and never show its content.
func TokenFile(path string) func(ctx context.Context) (stschain.Secret, error) {
	return tokenFile(path, nil)
}

func tokenFile(path string, open func(path string) (fs.File, error)) func(ctx context.Context) (stschain.Secret, error) {
	return func(ctx context.Context) (stschain.Secret, error) {
		if path == "" {
			return stschain.Secret{}, errors.New("the path of the token file is empty")
		}
		if err := system.ContextErr(ctx); err != nil {
			return stschain.Secret{}, err
		}
		content, _, err := system.ReadFile(open, path, 2*maxToken) // as much white space as token
		return source(ctx, "token file "+path, "the token in the file "+path, string(content), err, true)
	}
}

// TokenVariable is a source of tokens for [Provider.Token]: an environment variable, in which GitLab,
// CircleCI and Bitbucket pass a token to their jobs. Such a token is not renewed, so a job that outlives
// it needs a session that is long enough. In an Identity it counts by its bytes: each step of a job can set variables.
func TokenVariable(name string) func(ctx context.Context) (stschain.Secret, error) {
	return func(ctx context.Context) (stschain.Secret, error) {
		return source(ctx, "environment variable "+name, "the token in the variable "+name, os.Getenv(name), nil, false)
	}
}

// source returns the token in a text that was read from a place, and notes its origin.
func source(ctx context.Context, place, origin, text string, err error, local bool) (stschain.Secret, error) {
	token, invalid := cleanToken(text)
	if err == nil {
		err = invalid
	}
	if err != nil {
		return stschain.Secret{}, fmt.Errorf("%s: %w", place, err)
	}
	if local {
		noteLocal(ctx, token)
	}
	noteOrigin(ctx, origin)
	return token, nil
}

// cleanToken removes what editors and shells put around a token.
func cleanToken(text string) (stschain.Secret, error) {
	token := strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	switch {
	case token == "":
		return stschain.Secret{}, errors.New("the token is empty")
	case len(token) > maxToken:
		return stschain.Secret{}, fmt.Errorf("the token has %d characters, and STS accepts at most %d", len(token), maxToken)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return stschain.Secret{}, errors.New("not a single token: it contains white space, or characters that are not valid in tokens")
	}
	return stschain.NewSecret(token), nil
}

// origin is the name of a token in errors. A source passes it to the Provider through the context that it is
// called with, since a token alone does not say which file it is from.
type origin struct {
	mu    sync.Mutex
	text  string
	local stschain.Secret // the last token that was read from a file or an agent
}

type originKey struct{}

func withOrigin(ctx context.Context) (context.Context, *origin) {
	o := new(origin)
	return context.WithValue(ctx, originKey{}, o), o
}

// noteLocal passes to the Provider that the token was read from a file or an agent of this machine.
func noteLocal(ctx context.Context, token stschain.Secret) {
	if o, ok := ctx.Value(originKey{}).(*origin); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.local = token
	}
}

// isOf reports whether noteLocal was called with this token. A function may read one and return another.
func (o *origin) isOf(token stschain.Secret) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.local == token
}

// noteOrigin passes the name to the Provider, if a Provider called the source.
func noteOrigin(ctx context.Context, text string) {
	if o, ok := ctx.Value(originKey{}).(*origin); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.text = text
	}
}

func (o *origin) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text
}
