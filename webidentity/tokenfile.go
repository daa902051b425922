package webidentity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/stschain-go/stschain"
)

// maxToken is the longest token that STS takes, in characters; those of a token
// are bytes.
const maxToken = 20_000

// TokenFile is a source of tokens for [Provider.Token]: a file that something else
// keeps fresh, such as the kubelet. It is read each time, up to 20,000 characters, without
// white space around the token. Errors name the file and never show what it holds.
func TokenFile(path string) func(ctx context.Context) (stschain.Secret, error) {
	return tokenFile(path, func() (fs.File, error) {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			return nil, errIrregular // to open a pipe would wait
		}
		return os.Open(path)
	})
}

var errIrregular = errors.New("it is no regular file, which could be read again and again")

func tokenFile(path string, open func() (fs.File, error)) func(ctx context.Context) (stschain.Secret, error) {
	return func(ctx context.Context) (stschain.Secret, error) {
		if path == "" {
			return stschain.Secret{}, errors.New("the path of the token file is empty")
		}
		if err := ctx.Err(); err != nil {
			return stschain.Secret{}, err
		}
		token, err := readToken(open)
		if err != nil {
			return stschain.Secret{}, fmt.Errorf("token file %s: %w", path, err)
		}
		noteOrigin(ctx, "the token in the file "+path)
		return stschain.NewSecret(token), nil
	}
}

// readToken reads a token file once more if it was written to meanwhile.
func readToken(open func() (fs.File, error)) (token string, err error) {
	for range 3 {
		var changed bool
		token, changed, err = readTokenOnce(open)
		if !changed {
			break
		}
	}
	if err != nil {
		return "", err
	}
	return cleanToken(token)
}

func readTokenOnce(open func() (fs.File, error)) (text string, changed bool, err error) {
	f, err := open()
	if err != nil {
		return "", false, reason(err)
	}
	defer f.Close()
	before, err := f.Stat()
	switch {
	case err != nil:
		return "", false, reason(err)
	case before.IsDir():
		return "", false, errors.New("it is a directory")
	case !before.Mode().IsRegular():
		return "", false, errIrregular
	case before.Size() > 2*maxToken: // as much white space as token
		return "", false, tooLong(before.Size())
	}
	content, err := io.ReadAll(io.LimitReader(f, 2*maxToken+1))
	if err != nil {
		return "", false, reason(err)
	}
	after, err := f.Stat()
	if err != nil {
		return "", false, reason(err)
	}
	return string(content), before.Size() != after.Size() || !before.ModTime().Equal(after.ModTime()), nil
}

// cleanToken takes off what editors and shells put around a token.
func cleanToken(text string) (string, error) {
	token := strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	switch {
	case token == "":
		return "", errors.New("it is empty")
	case len(token) > maxToken:
		return "", tooLong(int64(len(token)))
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("it holds something else than one token: white space, or characters that no token has")
	}
	return token, nil
}

func tooLong(size int64) error {
	return fmt.Errorf("it holds %d bytes, and STS takes tokens of at most %d characters", size, maxToken)
}

// TokenVariable is a source of tokens for [Provider.Token]: an environment variable,
// in which GitLab, CircleCI and Bitbucket hand a token to their jobs. Such a token
// is not renewed, so a job that outlives it needs a session that is long enough.
func TokenVariable(name string) func(ctx context.Context) (stschain.Secret, error) {
	return func(ctx context.Context) (stschain.Secret, error) {
		token, err := cleanToken(os.Getenv(name))
		if err != nil {
			return stschain.Secret{}, fmt.Errorf("environment variable %s: %w", name, err)
		}
		noteOrigin(ctx, "the token in the variable "+name)
		return stschain.NewSecret(token), nil
	}
}

// reason is an error of a file without the path, which is told once.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// origin is what errors call a token. A source tells it to the Provider through the
// context that it is called with, since a token alone does not know its file.
type origin struct {
	mu   sync.Mutex
	text string
}

type originKey struct{}

func withOrigin(ctx context.Context) (context.Context, *origin) {
	o := new(origin)
	return context.WithValue(ctx, originKey{}, o), o
}

// noteOrigin tells the Provider, if it is one that asks.
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
