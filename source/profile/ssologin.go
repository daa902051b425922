package profile

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/sso"
)

// Login returns what signs in to the IAM Identity Center that the selected profile uses, itself or through its
// source_profile, with the settings of environment and profile. With the name of an sso-session it is that session's,
// and the profile need not use it. Set Browser as needed. It does not follow later changes of the files.
func (p *Provider) Login(ctx context.Context, session string) (*sso.Login, error) {
	s, err := p.loginStep(ctx, session)
	if err != nil {
		return nil, err
	}
	home, err := p.home(runtime.GOOS)
	if err != nil {
		return nil, err
	}
	if home == "" {
		return nil, stschain.Permanent(errors.New("profile: there is no home directory for the token of IAM Identity Center: set HOME, or Provider.Home"))
	}
	httpClient, err := p.httpClient(s.settings.caBundle)
	if err != nil {
		return nil, err
	}
	return &sso.Login{
		Session: s.sso.session, StartURL: s.sso.startURL, Region: s.sso.region, Scopes: scopes(s.sso.scopes),
		PortalEndpoint: s.sso.portal, OIDCEndpoint: s.sso.oidc, AllowHTTP: p.AllowHTTP,
		FIPS: s.settings.fips, DualStack: s.settings.dualStack, MaxAttempts: s.settings.retry.MaxAttempts,
		CacheDir:   filepath.Join(home, ".aws", "sso", "cache"),
		HTTPClient: httpClient, Clock: p.Clock,
	}, nil
}

// loginStep returns the step of IAM Identity Center among those of the selected profile, or one for a session.
func (p *Provider) loginStep(ctx context.Context, session string) (*step, error) {
	if session != "" {
		return p.sessionStep(ctx, session)
	}
	steps, _, err := p.plan(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(steps, func(s *step) bool { return s.kind == fromSSO })
	if i < 0 {
		name, _ := p.selected()
		return nil, stschain.Permanent(fmt.Errorf("profile: [%s] does not use IAM Identity Center: set sso_session in it, or name another profile or an sso-session", sectionName(kindProfile, name)))
	}
	return steps[i], nil
}

func (p *Provider) sessionStep(ctx context.Context, session string) (*step, error) {
	files, selected, err := p.profile(ctx)
	if err != nil {
		return nil, err
	}
	s, err := files.find(kindSSOSession, session)
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return nil, stschain.Permanent(fmt.Errorf("profile: there is no [sso-session %s] in %s", session, files.config.path))
	}
	for _, key := range []string{"sso_start_url", "sso_region"} {
		if !s.has(key) {
			return nil, s.errorf("%s is missing, which IAM Identity Center needs", key)
		}
	}
	r := p.reader(files, selected)
	own := ssoRole{session: session, region: s.get("sso_region").text(), startURL: s.get("sso_start_url").text(), scopes: s.registrationScopes()}
	own.portal, own.oidc = r.endpoint("sso").text, r.endpoint("sso_oidc").text
	return &step{kind: fromSSO, sso: own, settings: r.settings()}, r.err
}

// registrationScopes returns the scopes of an sso-session. The AWS CLI reads none in a profile.
func (s *section) registrationScopes() string {
	if s.kind != kindSSOSession {
		return ""
	}
	return s.get("sso_registration_scopes").text()
}

// scopes returns the scopes of a list with commas, nil if there is none.
func scopes(list string) (all []string) {
	for scope := range strings.SplitSeq(list, ",") {
		if scope = strings.TrimSpace(scope); scope != "" {
			all = append(all, scope)
		}
	}
	return all
}
