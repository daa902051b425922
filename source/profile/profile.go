// Package profile gets credentials as configured by a profile in the shared files of AWS,
// ~/.aws/config and ~/.aws/credentials:
//
//	[default]
//	region = eu-west-1
//	role_arn = arn:aws:iam::123456789012:role/backup
//	source_profile = base
//
//	[profile base]
//	credential_process = /usr/local/bin/keys --for base
//
// The zero [Provider] reads the profile that AWS_PROFILE names, or else
// AWS_DEFAULT_PROFILE, or else the one called default.
//
// # Where a profile gets its credentials from
//
// The first of these that the profile has is used:
//
//	role_arn and web_identity_token_file   a role, assumed with the identity token in the file
//	role_arn and source_profile            a role, assumed by the credentials of another profile
//	role_arn and credential_source         a role, assumed by those of Environment, EcsContainer or Ec2InstanceMetadata
//	aws_access_key_id                      with aws_secret_access_key, and aws_session_token (or aws_security_token) for temporary ones
//	sso_session, sso_account_id            a role in IAM Identity Center, after aws sso login or [Provider.Login]; package sso
//	login_session                          the session of aws login; package login
//	credential_process                     a program that prints them
//
// If another profile names a profile as its source_profile, its keys come first. Profiles may
// form a chain without a cycle; only a profile with keys may name itself. Each role of such a
// chain is cached on its own, so a refresh of the last role costs one call.
//
// A role may have external_id, mfa_serial, role_session_name and
// duration_seconds; aws_account_id is the account of keys and processes.
//
// # Settings
//
// The settings of STS come from the environment, then from the profile, then,
// for a profile that is the source of another one, from that other one.
// Settings in code or the environment thus apply to all roles of a chain:
//
//	AWS_REGION, AWS_DEFAULT_REGION              region
//	AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL      services with sts, endpoint_url; also for SSO, SSO_OIDC and SIGNIN
//	AWS_IGNORE_CONFIGURED_ENDPOINT_URLS         ignore_configured_endpoint_urls
//	AWS_USE_FIPS_ENDPOINT                       use_fips_endpoint
//	AWS_USE_DUALSTACK_ENDPOINT                  use_dualstack_endpoint
//	AWS_STS_REGIONAL_ENDPOINTS                  sts_regional_endpoints
//	AWS_RETRY_MODE, AWS_MAX_ATTEMPTS            retry_mode, max_attempts
//	AWS_CA_BUNDLE                               ca_bundle
//	AWS_DISABLE_CLOCK_SKEW_CORRECTION           disable_clock_skew_correction
//	AWS_AUTH_SCHEME_PREFERENCE                  auth_scheme_preference: sigv4a before sigv4 signs calls of STS with SigV4a
//	AWS_SIGV4A_SIGNING_REGION_SET               sigv4a_signing_region_set: for these regions instead of the client's
//
// # Files
//
// AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name other files. They are
// checked on each call, and read again if they changed; credentials that do not
// depend on the change, such as a role that was assumed with an MFA code, stay
// cached. A file of more than 4 MiB is refused, and so is one that is not text.
//
// A default file that does not exist, that this program may not open, or that is a directory counts
// as empty: a container that runs as another user still gets its role. It is an error if a variable
// names such a file, if a profile is selected by name, or if the other file has credentials for the
// profile. Any other failure is an error, such as too many open files.
//
// The dialect is that of the AWS SDKs. Where that is ambiguous, it is that of the AWS CLI: indented
// files, indented comments and profile names in quotes are read as the CLI does. A line that cannot
// be read makes only its section unusable; [stschain.Explain] shows it.
package profile

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"

	"github.com/stschain-go/stschain"
)

// Provider gets the credentials of a profile. The zero Provider is ready for
// use. Do not change its fields after first use, and do not copy it.
type Provider struct {
	Profile string // "": AWS_PROFILE, AWS_DEFAULT_PROFILE, default

	// Region and Endpoint of STS take precedence over environment and profile;
	// an Endpoint is that of all roles of a chain. "": as configured there.
	Region, Endpoint string

	// FallbackRegions are the FallbackRegions of the stsquery.Client of each role: those of the
	// partition of its region, and none for a configured endpoint. nil: none.
	FallbackRegions []string

	IgnoreConfiguredEndpoints bool // true: endpoints in environment and files are ignored
	AllowHTTP                 bool // true: endpoints may use plain http to hosts other than loopback, as in stsquery.Client

	// MFAToken prompts for the current code of the MFA device that a profile names as
	// mfa_serial. nil: such a profile is an error.
	MFAToken func(ctx context.Context, serial string) (stschain.Secret, error)

	// WrapRole returns the provider to use instead of a role's own, once for each role that STS or IAM Identity Center
	// issues sessions of: a shared.Provider over it, for example. nil: the role's own.
	WrapRole func(role stschain.Provider) stschain.Provider

	LookupEnv  func(name string) (value string, ok bool)                            // nil: os.LookupEnv
	Home       string                                                               // the home directory; "": HOME, on Windows also USERPROFILE, and the user database
	Open       func(path string) (fs.File, error)                                   // nil: os.Open
	Run        func(ctx context.Context, command string) (stdout []byte, err error) // runs a credential_process; nil: the system's shell
	HTTPClient *http.Client                                                         // for STS, containers and IMDS; nil: a client with timeouts for each
	Clock      stschain.Clock                                                       // nil: the system clock

	mu    sync.Mutex
	read  *files
	built []part
}

// Retrieve returns the profile's credentials. If no profile is selected by name and there is no
// default profile, or if the profile has no key for credentials, it returns an
// [stschain.Unavailable] error. A profile that is selected by name and missing is a failure, and so is
// one that Profile names and that has no credentials. Anything wrong with the files or with what the
// profile names is a failure too: a profile whose credential_source is not configured has failed.
func (p *Provider) Retrieve(ctx context.Context) (creds stschain.Credentials, err error) {
	ctx, end := stschain.Step{Provider: p}.Start(ctx)
	defer func() { end(creds, err) }()
	source, err := p.source(ctx)
	if err != nil {
		return stschain.Credentials{}, err
	}
	ctx, ended := stschain.Step{Provider: source}.Start(ctx)
	creds, err = source.Retrieve(ctx)
	if ended(creds, err); err != nil {
		return stschain.Credentials{}, fmt.Errorf("%s: %w", p, err)
	}
	return creds, nil
}

// Identity returns that of the provider which the profile configures; names of profiles and paths of files do not
// count. It is [stschain.Unavailable] where Retrieve is.
func (p *Provider) Identity(ctx context.Context) (stschain.Identity, error) {
	source, err := p.source(ctx)
	if err != nil {
		return stschain.Identity{}, err
	}
	i, err := (&stschain.Cache{Provider: source}).Identity(ctx)
	if err != nil {
		return stschain.Identity{}, fmt.Errorf("%s: %w", p, err)
	}
	return i, nil
}

// source returns the provider of the profile's credentials: the previous one, unless its configuration changed.
func (p *Provider) source(ctx context.Context) (stschain.Provider, error) {
	steps, _, err := p.plan(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	parts, err := p.build(p.built, steps)
	if err != nil {
		return nil, err
	}
	p.built = parts
	return parts[len(parts)-1].provider(), nil
}

// Names returns the names of all profiles in the files, sorted. Those that no SDK lists are left out, such as one whose header lacks
// the word profile. Files that do not exist have none.
func (p *Provider) Names(ctx context.Context) ([]string, error) {
	files, err := p.load(ctx)
	if err != nil {
		return nil, err
	}
	return files.profiles(), nil
}

// Invalidate passes the rejected credentials to the provider that the profile used last.
func (p *Provider) Invalidate(rejected stschain.Credentials) {
	for _, source := range p.Providers() {
		if i, ok := source.(stschain.Invalidator); ok {
			i.Invalidate(rejected)
		}
	}
}

// Providers returns the provider that the profile used last, if it was called. For reports, each problem in
// the files follows, as a provider that fails with it.
func (p *Provider) Providers() []stschain.Provider {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.built) == 0 {
		return nil
	}
	providers := []stschain.Provider{p.built[len(p.built)-1].provider()}
	const most = 16
	for _, err := range p.read.problems[:min(most, len(p.read.problems))] {
		providers = append(providers, problem{err})
	}
	return providers
}

// problem is something in the files that cannot be read, as a report names it.
type problem struct{ err error }

func (p problem) String() string { return strings.TrimPrefix(p.err.Error(), "profile: ") }

func (p problem) Retrieve(context.Context) (stschain.Credentials, error) {
	return stschain.Credentials{}, p.err
}

// String returns "profile" and the name of the profile.
func (p *Provider) String() string {
	name, _ := p.selected()
	return "profile " + name
}

// selected returns the name of the profile, and what selects it: "" if nothing does.
func (p *Provider) selected() (name, by string) {
	if p.Profile != "" {
		return p.Profile, "Provider.Profile"
	}
	for _, variable := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		if name := p.variable(variable); name != "" {
			return name, variable
		}
	}
	return defaultProfile, ""
}

const defaultProfile = "default"
