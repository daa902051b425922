// Package source finds credentials where every AWS SDK finds them, without being told
// where. The zero [Default] is ready:
//
//	client := &http.Client{Transport: &sigv4.Transport{
//		Service: "s3", Region: "eu-west-1", Credentials: &source.Default{},
//	}}
//
// A program that also assumes a role gets its STS client from it, with the region and the
// endpoint that environment and profile name:
//
//	sts, err := (&source.Default{}).Client(ctx)
//	role := &assumerole.Provider{Client: sts, RoleARN: "arn:aws:iam::123456789012:role/backup"}
//
// # The places
//
// They are looked at in this order:
//
//	environment   AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY          package env
//	profile       ~/.aws/config and ~/.aws/credentials                 package profile
//	web identity  AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN         webidentity.FromEnv
//	container     AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI  package container
//	instance      the metadata service at 169.254.169.254              package imds
//
// The SDKs for Rust and C++ have this order too; those for Go and Java ask the web
// identity before the profile.
//
// A profile may name people as well, who sign in with `aws sso login` or `aws login`: packages
// sso and login.
//
// A place that is not set up is passed over. One that is set up and fails, be it an
// unreadable file, a throttled STS, a session that somebody must sign in to again or a
// program that exits with 1, is the end: its error is returned, and no other identity
// stands in for it. The first place that has credentials is kept for good, and a refresh
// asks no other.
//
// A profile that is asked for by name, by AWS_PROFILE or in code, is set up: that it is
// missing or has no credentials is an error.
package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/container"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/source/imds"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/webidentity"
)

// Default is the default chain of the AWS SDKs. It reads nothing before it is first
// asked. Its fields are not changed after that, and it is not copied.
//
// It asks the place that it keeps to each time: hold it by something that asks through
// [stschain.Cached], such as a sigv4.Transport or an stsquery.Client.
type Default struct {
	// Profile is all that is asked: a program that names one does not mean keys that
	// happen to be in its environment. "": the whole chain, with the profile that
	// AWS_PROFILE names, or else AWS_DEFAULT_PROFILE, or else the one called default.
	Profile string

	Region    string // of STS; "": AWS_REGION, AWS_DEFAULT_REGION, the profile's
	AllowHTTP bool   // true: a configured endpoint of STS may be plain http beyond loopback, as in stsquery.Client

	// MFAToken asks for the current code of the MFA device that a profile names. nil: such
	// a profile is an error. If set, a cache over this leaves refreshing to the callers.
	MFAToken func(ctx context.Context, serial string) (stschain.Secret, error)

	// The world that all of it is read from.
	LookupEnv  func(name string) (value string, ok bool)                            // nil: os.LookupEnv
	Home       string                                                               // the home directory; "": as the system says
	Open       func(path string) (fs.File, error)                                   // nil: os.Open
	Run        func(ctx context.Context, command string) (stdout []byte, err error) // runs a credential_process; nil: the system's shell
	HTTPClient *http.Client                                                         // nil: one with bounded times for each place
	Clock      stschain.Clock                                                       // nil: the real one

	once     sync.Once
	profile  *profile.Provider
	instance *later[*imds.Provider]
	chain    *stschain.Chain
}

// setUp makes the chain, which reads nothing.
func (d *Default) setUp() {
	d.once.Do(func() {
		d.profile = &profile.Provider{
			Profile: d.Profile, Region: d.Region, AllowHTTP: d.AllowHTTP, MFAToken: d.MFAToken,
			LookupEnv: d.LookupEnv, Home: d.Home, Open: d.Open, Run: d.Run, HTTPClient: d.HTTPClient, Clock: d.Clock,
		}
		d.instance = &later[*imds.Provider]{name: "imds", make: d.newInstance}
		if d.Profile != "" {
			d.chain = stschain.NewChain(d.profile)
			return
		}
		d.chain = stschain.NewChain(
			&env.Provider{LookupEnv: d.LookupEnv, Clock: d.Clock},
			d.profile,
			&later[*webidentity.FromEnv]{name: "webidentity from the environment", make: d.newWebIdentity},
			&later[*container.Provider]{name: "container", make: d.newContainer},
			d.instance,
		)
	})
}

// Retrieve returns the credentials of the first place that is configured. If none is, it
// returns an [stschain.Unavailable] error that lists all of them, each with the reason, and
// wraps the [*stschain.ChainError].
func (d *Default) Retrieve(ctx context.Context) (creds stschain.Credentials, err error) {
	if d == nil {
		return stschain.Credentials{}, errNil
	}
	d.setUp()
	ctx, end := stschain.Step{Provider: d}.Start(ctx)
	defer func() { end(creds, err) }()
	creds, err = d.chain.Retrieve(ctx)
	if all, ok := err.(*stschain.ChainError); ok && stschain.IsUnavailable(err) {
		return stschain.Credentials{}, stschain.Unavailable("source: %w", &nowhereError{all})
	}
	return creds, err
}

// Client returns a new client of STS with the settings of environment and profile, which
// package profile lists, and the credentials of the chain. If nothing names a region, the
// instance is asked for its own, which takes about a second where there is no instance.
//
// Files and environment are read once for a client. A program makes one and shares it.
func (d *Default) Client(ctx context.Context) (*stsquery.Client, error) {
	if d == nil {
		return nil, errNil
	}
	d.setUp()
	client, err := d.profile.Client(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("source: no client of STS: %w", err)
	}
	if client.Region == "" {
		if client.Region, err = d.instanceRegion(ctx); err != nil {
			return nil, fmt.Errorf("source: no client of STS: no region is set: set AWS_REGION, region in the profile, or Default.Region; and the instance tells none: %w", err)
		}
	}
	return client, nil
}

func (d *Default) instanceRegion(ctx context.Context) (string, error) {
	instance, err := d.instance.get(ctx)
	if err != nil {
		return "", err
	}
	return instance.Region(ctx)
}

var errNil = stschain.Permanent(errors.New("source: the Default is nil"))

// Invalidate tells the place that is kept, if it wants to know.
func (d *Default) Invalidate(rejected stschain.Credentials) {
	if d != nil {
		d.setUp()
		d.chain.Invalidate(rejected)
	}
}

// Providers returns the places in order.
func (d *Default) Providers() []stschain.Provider {
	if d == nil {
		return nil
	}
	d.setUp()
	return d.chain.Providers()
}

// String returns "default chain", and the profile if one is named.
func (d *Default) String() string {
	if d != nil && d.Profile != "" {
		return "profile " + d.Profile
	}
	return "default chain"
}

// newWebIdentity leaves Client nil where there is no region: FromEnv has words for that.
func (d *Default) newWebIdentity(ctx context.Context) (*webidentity.FromEnv, error) {
	client, err := d.profile.Client(ctx, nil)
	if err != nil {
		return nil, err
	}
	from := &webidentity.FromEnv{LookupEnv: d.LookupEnv, Open: d.Open}
	if client.Region != "" || client.Endpoint != "" {
		from.Client = func(string) *stsquery.Client { return client }
	}
	return from, nil
}

func (d *Default) newContainer(ctx context.Context) (*container.Provider, error) {
	client, err := d.profile.Client(ctx, nil) // whose HTTPClient trusts the configured certificates
	if err != nil {
		return nil, err
	}
	return &container.Provider{LookupEnv: d.LookupEnv, Open: d.Open, HTTPClient: client.HTTPClient}, nil
}

func (d *Default) newInstance(ctx context.Context) (*imds.Provider, error) {
	s, err := d.profile.Settings(ctx)
	if err != nil {
		return nil, err
	}
	return &imds.Provider{
		ProfileEndpoint: s.EC2MetadataEndpoint, ProfileEndpointMode: s.EC2MetadataEndpointMode, DisableV1: s.EC2MetadataV1Disabled,
		LookupEnv: d.LookupEnv, HTTPClient: d.HTTPClient, Clock: d.Clock,
	}, nil
}

// later is a place that is asked by settings of the profile. It is made when the chain
// first comes to it, so that keys in the environment cost no look at files.
type later[P stschain.Provider] struct {
	name string
	make func(ctx context.Context) (P, error)

	mu   sync.Mutex
	done bool
	made P
}

func (l *later[P]) get(ctx context.Context) (P, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return l.made, nil
	}
	made, err := l.make(ctx)
	if err == nil {
		l.made, l.done = made, true
	}
	return made, err
}

func (l *later[P]) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	p, err := l.get(ctx)
	if err != nil {
		return stschain.Credentials{}, fmt.Errorf("%s: %w", l, err)
	}
	return p.Retrieve(ctx)
}

func (l *later[P]) String() string { return l.name }

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
