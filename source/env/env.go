// Package env reads AWS credentials from environment variables:
//
//	AWS_ACCESS_KEY_ID          the access key ID; also AWS_ACCESS_KEY, its old name
//	AWS_SECRET_ACCESS_KEY      its secret; also AWS_SECRET_KEY
//	AWS_SESSION_TOKEN          for temporary credentials; also AWS_SECURITY_TOKEN
//	AWS_CREDENTIAL_EXPIRATION  when they expire; none: never
//	AWS_ACCOUNT_ID             the account of the keys, if known; a value that is not 12 digits is ignored
//
// A variable that is empty or blank counts as not set. Without an access key ID
// the provider is not configured, even if other variables are set.
package env

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

// Provider reads the environment on each call. The zero Provider is ready for use.
type Provider struct {
	LookupEnv func(name string) (value string, ok bool) // nil: os.LookupEnv
	Clock     stschain.Clock                            // nil: the system clock
}

// Retrieve returns the credentials in the environment. If no access key ID is set, it returns an
// [stschain.Unavailable] error. If it is set and the secret access key is not, if one of
// them is malformed, or if the credentials have expired, it returns an [stschain.ErrPermanent]
// that names the variable.
func (p *Provider) Retrieve(context.Context) (stschain.Credentials, error) {
	id, err := p.word("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")
	switch {
	case err != nil:
		return stschain.Credentials{}, err
	case id == "":
		return stschain.Credentials{}, stschain.Unavailable("env: AWS_ACCESS_KEY_ID is not set%s", p.leftover())
	}
	name, secret, err := p.read("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY")
	if err != nil {
		return stschain.Credentials{}, err
	}
	token, err := p.word("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
	switch {
	case err != nil:
		return stschain.Credentials{}, err
	case secret == "":
		return stschain.Credentials{}, broken("AWS_SECRET_ACCESS_KEY is not set, though the access key is")
	case strings.ContainsFunc(secret, unicode.IsSpace):
		return stschain.Credentials{}, broken(name + " contains white space: it may have been pasted with other text")
	}
	expires, err := p.expiration()
	if err != nil {
		return stschain.Credentials{}, err
	}
	_, account, _ := p.read("AWS_ACCOUNT_ID")
	if !credjson.IsAccount(account) {
		account = "" // it is informational: an invalid one does not invalidate the keys
	}
	return stschain.Credentials{
		AccessKeyID:     id,
		SecretAccessKey: stschain.NewSecret(secret),
		SessionToken:    stschain.NewSecret(token),
		Expires:         expires,
		AccountID:       account,
		Origin:          p.String(),
	}, nil
}

// Identity returns that of the credentials that Retrieve returns.
func (p *Provider) Identity(ctx context.Context) (stschain.Identity, error) {
	creds, err := p.Retrieve(ctx)
	if err != nil {
		return stschain.Identity{}, err
	}
	return creds.Identity(), nil
}

// String returns "env".
func (p *Provider) String() string { return "env" }

// leftover names a credential variable that is set without an access key ID.
func (p *Provider) leftover() string {
	for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"} {
		if system.Getenv(p.LookupEnv, name) != "" {
			return ", though " + name + " is"
		}
	}
	return ""
}

// expiration returns when the credentials expire.
func (p *Provider) expiration() (time.Time, error) {
	const name = "AWS_CREDENTIAL_EXPIRATION"
	_, value, err := p.read(name)
	if err != nil || value == "" {
		return time.Time{}, err
	}
	expires, ok := wire.ParseTime(value)
	switch {
	case !ok:
		return time.Time{}, broken(name + " is not a valid time, such as 2026-11-21T17:56:58Z")
	case !system.Now(p.Clock).Before(expires):
		return time.Time{}, broken(name + " is " + expires.UTC().Format(time.RFC3339) + ", which is in the past: the credentials have expired, get new ones")
	}
	return expires, nil
}

// word is like read, for a value that is sent in a header.
func (p *Provider) word(names ...string) (string, error) {
	name, value, err := p.read(names...)
	if err == nil && strings.ContainsFunc(value, func(r rune) bool { return r == ' ' || r > '~' }) {
		return "", broken(name + " contains spaces or characters beyond ASCII, which no request can carry")
	}
	return value, err
}

// read returns the first of the variables that is set, without white space
// around its value.
func (p *Provider) read(names ...string) (name, value string, err error) {
	for _, name := range names {
		value := system.Getenv(p.LookupEnv, name)
		if strings.ContainsFunc(value, unicode.IsControl) {
			return "", "", broken(name + " contains control characters, such as line breaks")
		}
		if value != "" {
			return name, value, nil
		}
	}
	return "", "", nil
}

// broken returns a permanent error: the environment must be changed first.
func broken(text string) error { return stschain.Permanent(errors.New("env: " + text)) }
