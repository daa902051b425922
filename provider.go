// Package stschain provides temporary AWS credentials and keeps them fresh.
//
// A [Provider] is one way to obtain credentials. A [Chain] picks the provider that
// is configured on this machine. A [Cache] keeps the credentials of a provider, refreshes
// them before they expire without making callers wait, and serves them
// while the source is down. Everything else is in separate packages:
//
//   - assumerole, webidentity, saml, sessiontoken and federation each implement Provider with
//     one STS operation
//   - sigv4 signs requests; its Transport signs those of an http.Client with the credentials of a Provider
//   - stsquery is the STS client that these packages share
//   - source finds credentials where the AWS SDKs find them: source.Default is their
//     default chain, and the packages below source are its members
//   - grants gets credentials for a part of S3: a directory bucket, or what S3 Access Grants has granted
//   - proof generates identity tokens, and auth tokens for databases, caches and brokers
//   - serve provides credentials to other programs on the machine
//   - shared lets processes and machines share the credentials that one of them obtained
//   - ststest is a fake STS for the tests of your program
//
// Most programs build a provider at start-up and pass it to a sigv4.Transport:
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
// Types that retrieve credentials repeatedly, such as sigv4.Transport and stsquery.Client, wrap
// their provider with [Cached], so that not every request calls STS. Create your own *Cache
// only to share one set of credentials between several clients, or to configure how it is
// refreshed.
//
// # Errors
//
// If a provider is not configured, it returns an error made by [Unavailable], and a Chain calls
// the next one. Every other error is a failure and stops a Chain, so that a broken source
// never falls through to another identity. [ErrPermanent] and [ErrThrottled] classify failures.
//
// # Prompts
//
// A provider that prompts the user, such as for an MFA code, calls [Prompt] first. Background
// refreshes do not prompt. The refresh of the next caller that has to wait may prompt.
//
// # Contexts
//
// A context bounds how long a caller waits. It must not select an identity:
// callers share a refresh, so the context of the caller that happened to begin it
// would select the identity of all.
//
// # Diagnosis
//
// [Explain] retrieves credentials and reports which providers were called, and how each call ended. The program
// cmd/stschain does so for the default chain. A [Trace] reports these calls while they happen,
// [Cache.OnEvent] reports what a cache does, and [Cache.Status] returns its current state.
//
// # Compatibility
//
// Before v1 names may change; CHANGELOG.md lists the changes.
package stschain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/stschain-go/stschain/internal/redact"
)

// Provider is a way to obtain credentials.
type Provider interface {
	// Retrieve returns credentials. It is safe for concurrent use and honors ctx.
	//
	// If the provider is not configured in this environment (its variables are unset, no
	// profile selects it), it returns an error made by [Unavailable]. If it is configured and
	// fails, it returns any other error. A provider that retrieves from another one must wrap
	// the errors of the other, as in fmt.Errorf("role: %w", err): an Unavailable error that is not wrapped
	// would mean that the provider itself is not configured.
	Retrieve(ctx context.Context) (Credentials, error)
}

// ProviderFunc adapts a function to a [Provider].
type ProviderFunc func(ctx context.Context) (Credentials, error)

// Retrieve calls f.
func (f ProviderFunc) Retrieve(ctx context.Context) (Credentials, error) { return f(ctx) }

// Credentials sign requests. The zero value means no credentials; providers return it only with an error.
type Credentials struct {
	AccessKeyID     string // not secret: CloudTrail shows it
	SecretAccessKey Secret
	SessionToken    Secret    // zero for long-lived keys
	Expires         time.Time // by the clock of this process; zero: never
	AccountID       string    // empty if unknown
	Origin          string    // where the credentials came from, for logs: "assumerole arn:aws:iam::123456789012:role/x"
}

// ExpiredAt reports whether the credentials have expired at t. They are valid until, but
// not at, Expires.
func (c Credentials) ExpiredAt(t time.Time) bool {
	return !c.Expires.IsZero() && !t.Before(c.Expires)
}

// complete returns an error that names the missing part, if any.
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

// Static returns a provider of fixed credentials that never expire. sessionToken may be empty.
// If all three are empty, the provider is [Unavailable], so that a [Chain] can contain one
// made from optional settings. If only a part is set, or contains white space, Retrieve
// returns an [ErrPermanent].
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

// Clock returns the current time. Now must not block, and must not call a [Cache] that uses the clock.
// The clocks of github.com/benbjohnson/clock implement Clock.
type Clock interface{ Now() time.Time }

// Invalidator is implemented by providers that cache credentials. Invalidate reports that a service
// rejected credentials, so that the next Retrieve returns other ones if possible.
type Invalidator interface {
	Invalidate(rejected Credentials)
}

// Parent is implemented by providers that retrieve from other providers. Providers
// returns these, for reports such as that of [Explain].
type Parent interface{ Providers() []Provider }

// name returns the name of a provider, for reports and errors.
func name(p Provider) string {
	if s, ok := p.(fmt.Stringer); ok {
		return fmt.Sprint(s) // fmt recovers if String panics
	}
	return typeName(p)
}

// typeName returns what the verb %T prints, without an allocation.
func typeName(p Provider) string {
	if p == nil {
		return "<nil>"
	}
	return reflect.TypeOf(p).String()
}
