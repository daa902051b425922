package container

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
)

const (
	tokenFile     = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	tokenVariable = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
	maxToken      = 16 << 10 // bytes
)

// token returns the value of the header Authorization, zero if the environment does not configure one.
func (p *Provider) token() (stschain.Secret, error) {
	var text, from string
	if path := p.lookUp(tokenFile); path != "" {
		content, _, err := system.ReadFile(p.Open, path, maxToken)
		from = fmt.Sprintf("token file %s of %s", path, tokenFile)
		if err != nil {
			return stschain.Secret{}, fmt.Errorf("%s: %w", from, err)
		}
		text = string(content)
	} else {
		lookup := p.LookupEnv
		if lookup == nil {
			lookup = os.LookupEnv
		}
		text, _ = lookup(tokenVariable) // not trimmed: white space may be a part of the value
		from = tokenVariable
		if strings.TrimSpace(text) == "" {
			return stschain.Secret{}, nil
		}
	}
	if err := checkHeader(text); err != nil {
		return stschain.Secret{}, fmt.Errorf("%s: %w", from, err)
	}
	return stschain.NewSecret(text), nil
}

// checkHeader returns why text cannot be the value of a header.
func checkHeader(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("is empty")
	case len(text) > maxToken:
		return fmt.Errorf("exceeds %d bytes", maxToken)
	case strings.ContainsAny(text, "\r\n"):
		return errors.New("contains a line break, perhaps at its end, which would begin another header: write it without")
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("contains characters that are not allowed in a header")
	}
	return nil
}
