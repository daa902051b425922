// Package stschain gives programs temporary AWS credentials and keeps them fresh.
//
// A [Provider] is one way to get credentials. A [Chain] picks the provider that
// applies on this machine. A [Cache] keeps what a provider answered, refreshes
// it before it expires without making callers wait, and goes on serving it
// while the source is down. The flows and transports live in packages of their
// own:
//
//   - assumerole, webidentity, saml, sessiontoken and federation each wrap one
//     operation of STS as a Provider
//   - sigv4 signs requests; its Transport plugs a Provider into an http.Client
//   - stsquery is the client of STS that the flows share
//   - source finds credentials where the AWS SDKs find them: its Default is their
//     chain, the packages below it are the links
//   - proof makes statements of identity that others verify, and passwords of databases
//   - serve gives credentials to other programs on the machine
//   - ststest is a fake STS for the tests of programs
//
// Most programs compose a chain at start-up, hand it to a flow, and hand the
// flow to a sigv4.Transport:
//
//	role := &assumerole.Provider{
//		Client:  &stsquery.Client{Credentials: &env.Provider{}, Region: "eu-west-1"},
//		RoleARN: "arn:aws:iam::123456789012:role/backup",
//	}
//	client := &http.Client{Transport: &sigv4.Transport{
//		Service: "s3", Region: "eu-west-1", Source: role,
//	}}
//
// # Caching
//
// Nobody gets an uncached flow by accident: whatever asks a provider repeatedly
// (a Transport, the signing side of an STS client) asks through [Cached]. An
// explicit *Cache is needed only to share one set of credentials between
// holders, or to tune how it is refreshed.
//
// # Contexts
//
// A context bounds how long a caller waits. It must not select an identity:
// answers are shared, so a value in the context of whoever happened to start a
// refresh would decide for everybody.
//
// # When there are none, or others than expected
//
// [Explain] asks as a caller would and reports what each provider on the way answered, as
// a tree that prints. The program cmd/stschain does so for the default chain.
//
// # Compatibility
//
// Before v1 names may still change; each change is in CHANGELOG.md.
package stschain

import (
	"context"
	"errors"
	"fmt"
	"time"
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

// ProviderFunc makes a function a Provider.
type ProviderFunc func(ctx context.Context) (Credentials, error)

// Retrieve calls f.
func (f ProviderFunc) Retrieve(ctx context.Context) (Credentials, error) {
	if f == nil {
		return Credentials{}, errors.New("stschain: ProviderFunc is nil")
	}
	return f(ctx)
}

// Credentials are what a request is signed with. The zero value is no
// credentials; anonymous ones are never made up.
type Credentials struct {
	AccessKeyID     string // shown everywhere: it is what CloudTrail is searched by
	SecretAccessKey Secret
	SessionToken    Secret    // zero for long-lived keys
	Expires         time.Time // zero: never. On this process's clock
	AccountID       string    // if known
	Source          string    // who made them, for people: "assumerole arn:aws:iam::1:role/x"
}

// ExpiredAt reports whether the credentials are dead at t. They live up to, but
// not at, the instant Expires.
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
// or with a token alone, it is an error.
func Static(accessKeyID, secretAccessKey, sessionToken string) Provider {
	return static{Credentials{
		AccessKeyID:     accessKeyID,
		SecretAccessKey: NewSecret(secretAccessKey),
		SessionToken:    NewSecret(sessionToken),
		Source:          "static",
	}}
}

type static struct{ creds Credentials }

func (s static) String() string { return "static" }

func (s static) Retrieve(context.Context) (Credentials, error) {
	if s.creds == (Credentials{Source: s.creds.Source}) {
		return Credentials{}, Unavailable("stschain: static credentials are empty")
	}
	if err := s.creds.complete(); err != nil {
		return Credentials{}, fmt.Errorf("stschain: static credentials have %w", err)
	}
	return s.creds, nil
}

// Clock tells the time. The clocks of github.com/benbjohnson/clock fit.
type Clock interface{ Now() time.Time }

// Invalidator is implemented by providers that hold credentials: a service
// rejected these, so the next Retrieve should bring others if it can.
type Invalidator interface {
	Invalidate(rejected Credentials)
}

// Parent is implemented by providers that retrieve from other providers. Providers
// retrieves nothing; it is for reports on how a program gets its credentials.
type Parent interface{ Providers() []Provider }

// name is what reports and errors call a provider.
func name(p Provider) string {
	if s, ok := p.(fmt.Stringer); ok {
		return fmt.Sprint(s) // which survives a String that panics
	}
	return fmt.Sprintf("%T", p)
}
