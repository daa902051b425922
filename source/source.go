// Package source finds credentials where the AWS SDKs find them. With no configuration, [Default]
// resolves credentials through the standard AWS default chain:
//
//	client := &http.Client{Transport: &sigv4.Transport{
//		Service: "s3", Region: "eu-west-1", Credentials: &source.Default{},
//	}}
//
// It also creates such a Transport for the configured region, and returns the configured endpoint:
//
//	chain := &source.Default{}
//	transport, err := chain.Transport(ctx, "s3")
//	endpoint, err := chain.Endpoint(ctx, "s3") // "": that of AWS
//
// A program that assumes a role gets its STS client from it:
//
//	sts, err := chain.Client(ctx)
//	role := &assumerole.Provider{Client: sts, RoleARN: "arn:aws:iam::123456789012:role/backup"}
//
// # The places
//
// They are called in this order:
//
//	environment   AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY          package env
//	web identity  AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN         webidentity.FromEnv
//	profile       ~/.aws/config and ~/.aws/credentials                 package profile
//	container     AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI  package container
//	instance      the metadata service at 169.254.169.254              package imds
//
// This is the order of the SDKs for Go and Java. Those for Rust and C++ have the profile before web
// identity, see Default.ProfileFirst.
//
// A profile may also use a session of `aws sso login` or `aws login`: packages sso and login.
//
// A place that is not configured is skipped. One that is configured and fails
// stops the chain, whether because of a malformed file, a throttled STS, an
// expired session or a program that exits with 1: its error is returned, and no
// other identity is used instead. The first place that returns credentials is
// pinned, and a refresh calls no other.
//
// Default files that do not exist or cannot be opened are skipped. If
// AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE, AWS_PROFILE or code names a
// file or a profile that is missing, that is an error. A profile without
// credentials is an error if code names it.
//
// If more than one place is configured, [stschain.Explain] shows which. So does
// the error if the used one fails, and otherwise the Note of the
// [stschain.Event] and of the step of a [stschain.Trace].
package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/source/container"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/source/imds"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/webidentity"
)

// Default is the default chain of the AWS SDKs. It reads nothing before it is
// first called. Do not change its fields after that, and do not copy it.
//
// It calls the pinned place each time. Clients that call it through
// [stschain.Cached], such as a sigv4.Transport or an stsquery.Client, cache the
// result.
type Default struct {
	// Profile is the only place that is called: keys in the environment are ignored.
	// "": the whole chain, with the profile that
	// AWS_PROFILE names, or else AWS_DEFAULT_PROFILE, or else the one called default.
	Profile string

	// ProfileFirst puts the profile before web identity, as the SDKs for Rust and C++ do.
	ProfileFirst bool

	Region    string // of Client and Transport, and of STS for every role of a profile; "": AWS_REGION, AWS_DEFAULT_REGION, the profile's
	AllowHTTP bool   // true: configured endpoints, and requests of a Transport, may use plain http to hosts other than loopback

	// FallbackRegions are regions whose STS is called while that of the region is down, as in stsquery.Client, for Client,
	// web identity and every role of a profile. Those of other partitions are not used, and none with a configured
	// endpoint. nil: none.
	FallbackRegions []string

	// MFAToken prompts for the current code of the MFA device that a profile names. nil: such
	// a profile is an error.
	MFAToken func(ctx context.Context, serial string) (stschain.Secret, error)

	// WrapRole returns the provider to use instead of that of a role in a profile, as in profile.Provider. nil: the role's own.
	WrapRole func(role stschain.Provider) stschain.Provider

	// The environment, files and clients that it uses.
	LookupEnv  func(name string) (value string, ok bool)                            // nil: os.LookupEnv
	Home       string                                                               // the home directory; "": that of the system
	Open       func(path string) (fs.File, error)                                   // nil: os.Open
	Run        func(ctx context.Context, command string) (stdout []byte, err error) // runs a credential_process; nil: the system's shell
	HTTPClient *http.Client                                                         // nil: a client with timeouts for each place, and one for STS
	Clock      stschain.Clock                                                       // nil: the system clock

	once     sync.Once
	called   atomic.Bool
	sts      func() *http.Client // without HTTPClient
	profile  *profile.Provider
	instance *later[*imds.Provider]
	places   []place
	chain    *stschain.Chain
}

// setUp creates the chain. It reads nothing.
func (d *Default) setUp() {
	d.once.Do(func() {
		d.profile = &profile.Provider{
			Profile: d.Profile, Region: d.Region, FallbackRegions: d.FallbackRegions, AllowHTTP: d.AllowHTTP, MFAToken: d.MFAToken, WrapRole: d.WrapRole,
			LookupEnv: d.LookupEnv, Home: d.Home, Open: d.Open, Run: d.Run, HTTPClient: d.HTTPClient, Clock: d.Clock,
		}
		d.sts = sync.OnceValue(func() *http.Client { return wire.Client(nil, 0) }) // clients of STS limit attempts
		d.instance = &later[*imds.Provider]{name: "imds", make: d.newInstance}
		fromProfile := place{d.profile, d.profileKey}
		d.places = []place{
			{&env.Provider{LookupEnv: d.LookupEnv, Clock: d.Clock}, d.variable("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")},
			{&later[*webidentity.FromEnv]{name: "webidentity from the environment", make: d.newWebIdentity}, d.variable(tokenFile)},
			fromProfile,
			{&later[*container.Provider]{name: "container", make: d.newContainer}, d.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")},
			{d.instance, d.variable()}, // the last, which needs no configuration
		}
		switch {
		case d.Profile != "":
			d.places = []place{fromProfile}
		case d.ProfileFirst:
			d.places[1], d.places[2] = fromProfile, d.places[1]
		}
		providers := make([]stschain.Provider, len(d.places))
		for i, p := range d.places {
			providers[i] = p.Provider
		}
		d.chain = stschain.NewChain(providers...)
	})
}

// Retrieve returns the credentials of the first place that is configured. If none is, it
// returns an [stschain.Unavailable] error that lists all of them, each with the reason, and
// wraps the [*stschain.ChainError]. The error of a place that fails names the others that are configured.
func (d *Default) Retrieve(ctx context.Context) (creds stschain.Credentials, err error) {
	d.setUp()
	ctx, end := stschain.Step{Provider: d}.Start(ctx)
	defer func() { end(creds, err) }()
	creds, err = d.chain.Retrieve(ctx)
	d.called.Store(true)
	if all, ok := err.(*stschain.ChainError); ok && stschain.IsUnavailable(err) {
		return stschain.Credentials{}, stschain.Unavailable("source: %w", &nowhereError{all})
	}
	others := func() (names []string) {
		for _, other := range d.unused(ctx) {
			if other != nil {
				names = append(names, fmt.Sprint(other))
			}
		}
		return names
	}
	switch {
	case err == nil:
		stschain.Note(ctx, func() string { return strings.Join(others(), "; ") })
	case ctx.Err() == nil:
		for _, other := range others() {
			err = fmt.Errorf("%w\n  %s, and is not used instead", err, other)
		}
	}
	return creds, err
}

// Invalidate passes the rejected credentials to the pinned place.
func (d *Default) Invalidate(rejected stschain.Credentials) {
	d.setUp()
	d.chain.Invalidate(rejected)
}

// Providers returns the places in order. After a call, the name of a configured
// place that was not used, because an earlier one was, says so: "profile
// default has credentials too (role_arn, /home/me/.aws/config:2)".
func (d *Default) Providers() []stschain.Provider {
	d.setUp()
	providers := d.chain.Providers()
	if d.called.Load() {
		for i, other := range d.unused(context.Background()) {
			if other != nil {
				providers[i] = other
			}
		}
	}
	return providers
}

// Identity returns an error: on another machine another place may be configured.
func (*Default) Identity(context.Context) (stschain.Identity, error) {
	return stschain.Identity{}, stschain.Permanent(errors.New("source: the default chain has no identity: it may pick another provider on another machine. Use that provider itself, such as profile.Provider or webidentity.FromEnv"))
}

// String returns "default chain", and the profile if one is named.
func (d *Default) String() string {
	if d.Profile != "" {
		return "profile " + d.Profile
	}
	return "default chain"
}

// nowhereError lists the places, none of which is configured.
type nowhereError struct{ chain *stschain.ChainError }

func (e *nowhereError) Error() string {
	var b strings.Builder
	b.WriteString("no AWS credentials found; tried, in order:\n")
	for i, a := range e.chain.Attempts {
		name, _, _ := strings.Cut(a.Provider, " ") // the package, with which its errors begin
		fmt.Fprintf(&b, "  %d. %s: %s\n", i+1, a.Provider, strings.TrimPrefix(a.Err.Error(), name+": "))
	}
	b.WriteString("Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, write a profile (aws configure, aws configure sso and aws login do) and name it by AWS_PROFILE if it is not the default one, or give the pod, the task or the instance a role")
	return b.String()
}

func (e *nowhereError) Unwrap() error { return e.chain }
