package container

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/stschain-go/stschain"
)

const (
	tokenFile     = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	tokenVariable = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
	maxToken      = 16 << 10 // bytes
)

// token is what the header Authorization says, zero if the environment names none.
func (p *Provider) token() (stschain.Secret, error) {
	if path := p.lookUp(tokenFile); path != "" {
		text, err := p.readFile(path)
		if err == nil {
			err = headerValue(text)
		}
		if err != nil {
			return stschain.Secret{}, fmt.Errorf("token file %s of %s: %w", path, tokenFile, err)
		}
		return stschain.NewSecret(text), nil
	}
	lookup := os.LookupEnv
	if p.LookupEnv != nil {
		lookup = p.LookupEnv
	}
	text, _ := lookup(tokenVariable)
	if strings.TrimSpace(text) == "" {
		return stschain.Secret{}, nil
	}
	if err := headerValue(text); err != nil {
		return stschain.Secret{}, fmt.Errorf("%s: %w", tokenVariable, err)
	}
	return stschain.NewSecret(text), nil
}

// headerValue tells why text cannot be what a header says, if so.
func headerValue(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("it is empty")
	case len(text) > maxToken:
		return fmt.Errorf("it holds more than %d bytes", maxToken)
	case strings.ContainsAny(text, "\r\n"):
		return errors.New("it holds a line break, perhaps at its end, and a header that held one would be two: write it without")
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("it holds characters that no header can carry")
	}
	return nil
}

// readFile reads a token file, and no more than could be a token.
func (p *Provider) readFile(path string) (string, error) {
	open := p.Open
	if open == nil {
		open = openRegular
	}
	f, err := open(path)
	if err != nil {
		return "", withoutPath(err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", withoutPath(err)
	}
	return string(content), nil
}

// openRegular does not open pipes and devices, which could make us wait.
func openRegular(path string) (fs.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	return os.Open(path)
}

// withoutPath is an error of a file without the path, which is told once.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
