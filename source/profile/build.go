package profile

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/source/container"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/source/login"
	"github.com/stschain-go/stschain/source/process"
	"github.com/stschain-go/stschain/source/sso"
	"github.com/stschain-go/stschain/webidentity"
)

// part is a step that was built. Its contents may be secret, so they are in functions.
type part struct {
	*step
	provider func() stschain.Provider
	cache    func() stschain.CachedProvider // over the provider, for the client of the next step
}

// build creates the providers of steps, each over the previous one. It keeps the providers of steps that did not
// change, and with them the credentials in their caches.
func (p *Provider) build(built []part, steps []*step) ([]part, error) {
	kept := 0
	for kept < len(steps) && kept < len(built) && *built[kept].step == *steps[kept] {
		kept++
	}
	parts := built[:kept:kept]
	for _, s := range steps[kept:] {
		var base stschain.Provider
		if len(parts) > 0 {
			base = parts[len(parts)-1].cache()
		}
		provider, err := p.provider(s, base)
		if err != nil {
			return nil, err
		}
		provider = p.wrap(s, provider)
		cache := &stschain.Cache{Provider: provider, Clock: p.Clock}
		parts = append(parts, part{s, func() stschain.Provider { return provider }, func() stschain.CachedProvider { return cache }})
	}
	return parts, nil
}

// provider creates the provider of a step. base provides the credentials that assume a role.
func (p *Provider) provider(s *step, base stschain.Provider) (stschain.Provider, error) {
	switch s.kind {
	case fromKeys:
		return &static{stschain.Credentials{
			AccessKeyID: s.keys.id, SecretAccessKey: s.keys.secret, SessionToken: s.keys.token,
			AccountID: s.account, Origin: "profile " + s.profile,
		}}, nil
	case fromSource:
		return p.credentialSource(s)
	case fromProcess:
		command := &process.Provider{Command: s.command.Reveal(), AccountID: s.account, Run: p.Run, Clock: p.Clock}
		return &unseen{func() stschain.Provider { return command }, command.String()}, nil
	case fromSSO, fromLogin:
		return p.signedIn(s)
	}
	if noRegion := errNoRegion(s); s.settings.region == "" {
		switch {
		case s.kind == fromRole:
			return &regionless{base, s.role.arn, noRegion}, nil
		case s.settings.endpoint == "":
			return nil, noRegion
		}
	}
	client, err := p.client(&s.settings, base)
	if err != nil {
		return nil, err
	}
	if s.kind == fromWebIdentity {
		return &webidentity.Provider{
			Client: client, RoleARN: s.role.arn, SessionName: s.role.sessionName, Duration: s.role.duration,
			Token: p.tokenFile(s.tokenFile),
		}, nil
	}
	assumed := &assumerole.Provider{
		Client: client, RoleARN: s.role.arn, SessionName: s.role.sessionName, Duration: s.role.duration,
		ExternalID: s.role.externalID, SerialNumber: s.role.mfaSerial,
	}
	if s.role.mfaSerial != "" {
		assumed.MFAToken = p.MFAToken
	}
	return assumed, nil
}

// unseen is a provider that prints as its name only: a command may have secrets.
type unseen struct {
	provider func() stschain.Provider
	name     string
}

func (u *unseen) String() string { return u.name }

func (u *unseen) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return u.provider().Retrieve(ctx)
}

func (u *unseen) Identity(ctx context.Context) (stschain.Identity, error) {
	return (&stschain.Cache{Provider: u.provider()}).Identity(ctx)
}

func (p *Provider) credentialSource(s *step) (stschain.Provider, error) {
	switch s.source {
	case sourceEnvironment:
		return &env.Provider{LookupEnv: p.LookupEnv, Clock: p.Clock}, nil
	case sourceIMDS:
		return p.instance(&s.settings), nil
	}
	httpClient, err := p.httpClient(s.settings.caBundle)
	return &container.Provider{LookupEnv: p.LookupEnv, Open: p.Open, HTTPClient: httpClient}, err
}

func errNoRegion(s *step) error {
	return stschain.Permanent(fmt.Errorf("profile: [%s] has the role %s, and no region is configured to call STS in: set region in the profile, or AWS_REGION", sectionName(kindProfile, s.profile), s.role.arn))
}

// regionless is a role that cannot be assumed because no region is configured. An error of the base is returned
// first.
type regionless struct {
	base stschain.Provider
	arn  string
	err  error
}

func (r *regionless) String() string { return "assumerole " + r.arn }

func (r *regionless) Providers() []stschain.Provider { return []stschain.Provider{r.base} }

func (r *regionless) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	ctx, end := stschain.Step{Provider: r.base}.Start(ctx)
	creds, err := r.base.Retrieve(ctx)
	if end(creds, err); err != nil {
		return stschain.Credentials{}, fmt.Errorf("%s: no credentials to sign with: %w", r, err)
	}
	return stschain.Credentials{}, r.err
}

func (r *regionless) Identity(context.Context) (stschain.Identity, error) {
	return stschain.Identity{}, r.err
}

// signedIn creates the provider for a session of the AWS CLI.
func (p *Provider) signedIn(s *step) (stschain.Provider, error) {
	home, err := p.home(runtime.GOOS)
	if err != nil {
		return nil, err
	}
	httpClient, err := p.httpClient(s.settings.caBundle)
	section := sectionName(kindProfile, s.profile)
	switch {
	case err != nil:
		return nil, err
	case s.kind == fromLogin:
		return &login.Provider{
			Session: s.login.session, Profile: s.profile,
			Region: s.settings.region, Endpoint: s.login.endpoint, AllowHTTP: p.AllowHTTP,
			FIPS: s.settings.fips, DualStack: s.settings.dualStack, MaxAttempts: s.settings.retry.MaxAttempts,
			DisableClockSkewCorrection: s.settings.disableClockSkewCorrection,
			Home:                       home, LookupEnv: p.LookupEnv,
			Open: p.Open, HTTPClient: httpClient, Clock: p.Clock,
		}, nil
	case s.sso.account == "":
		return nil, stschain.Permanent(fmt.Errorf("profile: [%s] has an sso_session, and no role in it: set sso_account_id and sso_role_name", section))
	case home == "":
		return nil, stschain.Permanent(fmt.Errorf("profile: [%s] uses IAM Identity Center, and there is no home directory with its token: set HOME, or Provider.Home", section))
	}
	return &sso.Provider{
		Session: s.sso.session, StartURL: s.sso.startURL, Region: s.sso.region,
		AccountID: s.sso.account, RoleName: s.sso.role, Profile: s.profile,
		PortalEndpoint: s.sso.portal, OIDCEndpoint: s.sso.oidc, AllowHTTP: p.AllowHTTP,
		FIPS: s.settings.fips, DualStack: s.settings.dualStack, MaxAttempts: s.settings.retry.MaxAttempts,
		DisableClockSkewCorrection: s.settings.disableClockSkewCorrection,
		CacheDir:                   filepath.Join(home, ".aws", "sso", "cache"),
		Open:                       p.Open, HTTPClient: httpClient, Clock: p.Clock,
	}, nil
}

// static returns the keys of a profile.
type static struct{ creds stschain.Credentials }

func (s *static) String() string { return s.creds.Origin }

func (s *static) Retrieve(context.Context) (stschain.Credentials, error) { return s.creds, nil }

func (s *static) Identity(context.Context) (stschain.Identity, error) { return s.creds.Identity(), nil }

// tokenFile reads a token with Open, like the other files.
func (p *Provider) tokenFile(path string) func(context.Context) (stschain.Secret, error) {
	if p.Open == nil {
		return webidentity.TokenFile(path)
	}
	return func(context.Context) (stschain.Secret, error) {
		token, _, err := system.ReadFile(p.Open, path, maxToken)
		if err != nil {
			return stschain.Secret{}, fmt.Errorf("token file %s: %w", path, err)
		}
		return stschain.NewSecret(string(token)), nil
	}
}

const maxToken = 40_000 // bytes: as much white space as token
