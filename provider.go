// Package stschain provides temporary AWS credentials and keeps them fresh.
//
// A [Provider] is one way to obtain credentials. A [Chain] picks the provider that
// is configured on this machine. A [Cache] keeps what a provider returned, refreshes
// it before it expires without making callers wait, and keeps serving it
// while the source is down. The flows and transports are packages of their
// own:
//
//   - assumerole, webidentity, saml, sessiontoken and federation each wrap one
//     operation of STS as a Provider
//   - sigv4 signs requests; its Transport plugs a Provider into an http.Client
//   - stsquery is the client of STS that the flows share
//   - source finds credentials where the AWS SDKs find them: its Default is their
//     default chain, the packages below it are its links
//   - proof generates identity tokens, and auth tokens for databases, caches and brokers
//   - serve provides credentials to other programs on the machine
//   - ststest is a fake STS for the tests of programs
//
// Most programs compose a chain at start-up, pass it to a flow, and pass the
// flow to a sigv4.Transport:
//
//	role := &assumerole.Provider{
//		Client:  &stsquery.Client{Credentials: &env.Provider{}, Region: "eu-west-1"},
//		RoleARN: "arn:aws:iam::123456789012:role/backup",
//	}
//	client := &http.Client{Transport: &sigv4.Transport{
//		Service: "s3", Region: "eu-west-1", Credentials: role,
//	}}
//
// # Caching
//
// Whatever retrieves credentials repeatedly (a Transport, an STS client for its signatures)
// does so through [Cached], so that no flow is called for each request by accident. An
// explicit *Cache is needed only to share one set of credentials between
// holders, or to configure how it is refreshed.
//
// # Errors
//
// A provider that is not configured returns an error made by [Unavailable], and a Chain calls
// the next one. Every other error is a failure and stops a Chain, so that a broken source
// never falls through to another identity. [ErrPermanent] and [ErrThrottled] say what to
// do about a failure.
//
// # Prompts
//
// A provider that prompts the user, such as for an MFA code, calls [Prompt] first. A background
// refresh does not prompt: the next caller that has to wait does.
//
// # Contexts
//
// A context bounds how long a caller waits. It must not select an identity:
// results are shared, so a value in the context of the caller that happened to start a
// refresh would decide for all of them.
//
// # Diagnosis
//
// [Explain] retrieves as a caller would and reports what each provider on the way returned, as
// a tree that prints. The program cmd/stschain does so for the default chain. [WithTrace] reports the same
// while it happens, and [Cache.OnEvent] what a cache does.
//
// # Compatibility
//
// Before v1 names may still change; each change is in CHANGELOG.md.
package stschain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain/internal/redact"
)

// Provider is anything that can produce credentials.
type Provider interface {
	// Retrieve returns credentials. It is safe for concurrent use and honours ctx.
	//
	// If the provider is not configured in this environment (its variables are unset, no
	// profile selects it), it returns an error made by [Unavailable]. What is configured and
	// fails returns any other error. A provider that retrieves from another one wraps that
	// one's errors, as in fmt.Errorf("role: %w", err): returned as it is, an Unavailable error
	// would count as its own.
	Retrieve(ctx context.Context) (Credentials, error)
}

// ProviderFunc is a function as a Provider.
type ProviderFunc func(ctx context.Context) (Credentials, error)

// Retrieve calls f.
func (f ProviderFunc) Retrieve(ctx context.Context) (Credentials, error) {
	if f == nil {
		return Credentials{}, errors.New("stschain: ProviderFunc is nil")
	}
	return f(ctx)
}

// Credentials sign requests. The zero value is no credentials; a provider never returns it
// without an error.
type Credentials struct {
	AccessKeyID     string // not a secret: CloudTrail is searched by it
	SecretAccessKey Secret
	SessionToken    Secret    // zero for long-lived keys
	Expires         time.Time // zero: never. On this process's clock
	AccountID       string    // if known
	Origin          string    // where they came from, for logs: "assumerole arn:aws:iam::1:role/x"
}

// ExpiredAt reports whether the credentials have expired at t. They are valid until, but
// not at, Expires.
func (c Credentials) ExpiredAt(t time.Time) bool {
	return !c.Expires.IsZero() && !t.Before(c.Expires)
}

// complete returns which part is missing, if any.
func (c Credentials) complete() error {
	switch {
	case c.AccessKeyID == "" && c.SecretAccessKey.IsZero():
		return errors.New("no credentials and no error")
	case c.AccessKeyID == "":
		return errors.New("no access key ID")
	case c.SecretAccessKey.IsZero():
		return errors.New("no secret access key")
	}
	return nil
}

// Static returns a provider of fixed credentials that never expire;
// sessionToken may be empty. With neither key it is [Unavailable],
// so that it can stand in a chain over optional settings; with only one of them,
// with a token alone, or with white space in any of them, it is an [ErrPermanent].
func Static(accessKeyID, secretAccessKey, sessionToken string) Provider {
	return static{
		creds: Credentials{
			AccessKeyID:     accessKeyID,
			SecretAccessKey: NewSecret(secretAccessKey),
			SessionToken:    NewSecret(sessionToken),
			Origin:          "static",
		},
		malformed: cmp.Or(
			redact.MalformedID("the access key ID", accessKeyID),
			redact.Malformed("the secret access key", secretAccessKey),
			redact.Malformed("the session token", sessionToken)),
	}
}

type static struct {
	creds     Credentials
	malformed error
}

func (s static) String() string { return "static" }

func (s static) Retrieve(context.Context) (Credentials, error) {
	if s.creds == (Credentials{Origin: s.creds.Origin}) {
		return Credentials{}, Unavailable("stschain: static credentials are empty")
	}
	if err := s.creds.complete(); err != nil {
		return Credentials{}, Permanent(fmt.Errorf("stschain: static credentials have %w", err))
	}
	if s.malformed != nil {
		return Credentials{}, Permanent(fmt.Errorf("stschain: static credentials: %w", s.malformed))
	}
	return s.creds, nil
}

// Clock tells the time. The clocks of github.com/benbjohnson/clock fit.
type Clock interface{ Now() time.Time }

// Invalidator is implemented by providers that keep credentials. Invalidate tells that a service
// rejected these, so that the next Retrieve returns others if it can.
type Invalidator interface {
	Invalidate(rejected Credentials)
}

// Parent is implemented by providers that retrieve from other providers. Providers
// retrieves nothing; it is for reports on how a program gets its credentials.
type Parent interface{ Providers() []Provider }

// name returns the name of a provider for reports and errors.
func name(p Provider) string {
	if s, ok := p.(fmt.Stringer); ok {
		return fmt.Sprint(s) // fmt recovers if String panics
	}
	return fmt.Sprintf("%T", p)
}
