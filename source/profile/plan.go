package profile

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
)

// step is one way to get credentials that a profile names: a base, or a role that the
// step before assumes. Steps are compared to see whether a change of the files
// means anything, so they have no positions.
type step struct {
	kind    kind
	profile string

	keys      keys            // fromKeys
	account   string          // fromKeys, fromProcess: aws_account_id
	source    string          // fromSource: credential_source
	command   stschain.Secret // fromProcess
	sso       ssoRole         // fromSSO
	login     loginSession    // fromLogin
	role      role            // fromWebIdentity, fromRole
	tokenFile string          // fromWebIdentity
	settings  Settings        // fromSource, fromSSO, fromLogin, fromWebIdentity, fromRole
}

type kind int

const (
	fromKeys kind = iota
	fromSource
	fromWebIdentity
	fromProcess
	fromSSO
	fromLogin
	fromRole
)

type role struct {
	arn, sessionName, externalID, mfaSerial string
	duration                                time.Duration
}

// plan is what has to be done for the credentials of the selected profile, first things first.
func (p *Provider) plan(ctx context.Context) ([]step, error) {
	files, section, err := p.profile(ctx)
	if err != nil {
		return nil, err
	}
	name, by := p.selected()
	key, configured := section.credentialKey()
	switch {
	case configured && len(files.refused) > 0:
		refused := files.refused[0]
		return nil, refused.errorf("cannot be opened: %v; the profile %s has %s in %s, and the file that cannot be opened may name a role instead: "+
			"give this program access to the file, or set %s=%s to do without it", refused.reason, name, key.Key, key.Position.File, refused.variable, os.DevNull)
	case configured:
		return (&planner{p, files}).steps([]*Section{section})
	case p.Profile != "":
		return nil, section.errorf("%s names this profile, and it has no credentials: none of %s%s", by, strings.Join(credentialKeys, ", "), section.indented(credentialKeys...))
	case by != "":
		return nil, stschain.Unavailable("profile: %s names the profile %s (%s), which has settings and no credentials%s", by, name, section.Position, section.indented(credentialKeys...))
	case section == nil:
		return nil, stschain.Unavailable("profile: no profile is selected, and there is no profile %s in %s%s", name, files.places(), files.hint(name))
	}
	return nil, stschain.Unavailable("profile: no profile is selected, and the profile %s (%s) has no credentials%s", name, section.Position, section.indented(credentialKeys...))
}

// CredentialKey returns the key that makes the selected profile a source of credentials, such as
// role_arn. Its errors are those of Retrieve before anything is retrieved: [stschain.Unavailable] if there is
// no such key.
func (p *Provider) CredentialKey(ctx context.Context) (Property, error) {
	if _, err := p.plan(ctx); err != nil {
		return Property{}, err
	}
	_, section, err := p.profile(ctx)
	key, _ := section.credentialKey()
	return key, err
}

// credentialKey returns the first key that makes the profile a source of credentials.
func (s *Section) credentialKey() (Property, bool) {
	for _, key := range credentialKeys {
		if property, ok := s.Property(key); ok {
			return property, true
		}
	}
	return Property{}, false
}

// credentialKeys are those that make a profile a source of credentials.
var credentialKeys = []string{
	"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token",
	"role_arn", "source_profile", "credential_source", "web_identity_token_file", "credential_process",
	"sso_session", "sso_account_id", "sso_role_name", "sso_start_url", "login_session",
}

// ssoRole is whose credentials IAM Identity Center is asked for, and at which endpoints if
// those are configured.
type ssoRole struct{ session, region, startURL, account, role, portal, oidc string }

// loginSession is a session of `aws login`, and the endpoint that refreshes it if that is configured.
type loginSession struct{ session, endpoint string }

// planner follows source_profile from one profile to the next.
type planner struct {
	*Provider
	files *Files
}

// steps are those of the last profile of a path, which begins at the selected one.
func (p *planner) steps(path []*Section) ([]step, error) {
	s := path[len(path)-1]
	switch {
	case len(path) > 1 && s.has(keyPair...):
		return keysStep(s)
	case s.has("web_identity_token_file"):
		return p.webIdentity(path)
	case s.has("role_arn"):
		return p.role(path)
	case s.has(keyPair...), s.has(tokenKeys...):
		return keysStep(s)
	case s.has("sso_session", "sso_account_id", "sso_role_name", "sso_start_url"):
		return p.sso(path)
	case s.has("login_session"):
		return p.login(path)
	case s.has("credential_process"):
		command, _ := s.Property("credential_process")
		return []step{{kind: fromProcess, profile: s.Name, command: command.Value, account: accountOf(s)}}, nil
	case s.has("source_profile", "credential_source"):
		by, _ := s.Property("source_profile")
		if source, ok := s.Property("credential_source"); ok {
			by = source
		}
		return nil, by.errorf("role_arn is missing%s: add the ARN of the role to assume with the credentials of %s, or remove %s", s.indented("role_arn"), by.text(), by.Key)
	}
	return nil, s.errorf("the profile has no credentials: none of %s%s", strings.Join(credentialKeys, ", "), s.indented(credentialKeys...))
}

// role is a role, and before it what assumes it.
func (p *planner) role(path []*Section) ([]step, error) {
	s := path[len(path)-1]
	arn, _ := s.Property("role_arn")
	source, bySource := s.Property("credential_source")
	next, byProfile := s.Property("source_profile")
	var before []step
	var err error
	switch {
	case bySource && byProfile:
		return nil, next.errorf("credential_source is set as well (%s), and only one of them can assume the role", source.Position)
	case byProfile:
		before, err = p.follow(path, next)
	case bySource:
		before, err = p.named(path, source)
	default:
		return nil, arn.errorf("nothing says what assumes the role: set source_profile, credential_source or web_identity_token_file%s",
			s.indented("source_profile", "credential_source", "web_identity_token_file"))
	}
	if err != nil {
		return nil, err
	}
	last, err := p.assumed(path)
	if err != nil {
		return nil, err
	}
	if mfa, ok := s.Property("mfa_serial"); ok && p.MFAToken == nil {
		return nil, mfa.errorf("the role needs the code of an MFA device, and Provider.MFAToken, which would ask for it, is not set")
	}
	return append(before, last), nil
}

// follow goes to the profile that source_profile names.
func (p *planner) follow(path []*Section, next Property) ([]step, error) {
	name, from := next.text(), path[len(path)-1]
	to, err := p.files.find(kindProfile, name)
	if err != nil {
		return nil, fmt.Errorf("%w; it is named by %s", err, next.origin())
	}
	switch i := slices.Index(path, to); {
	case to == nil:
		return nil, next.errorf("there is no profile %q in %s%s%s", name, p.files.places(), p.files.hint(name), from.continuing(next))
	case to == from && to.has(keyPair...):
		return keysStep(to)
	case i >= 0:
		return nil, next.errorf("the profiles go in a circle: %s", names(append(slices.Clone(path[i:]), to)))
	case len(path) >= maxProfiles:
		return nil, next.errorf("there are more than %d profiles on the way here from %s", maxProfiles, path[0].Name)
	}
	return p.steps(append(slices.Clone(path), to))
}

const maxProfiles = 32 // in a chain

func names(profiles []*Section) string {
	var names []string
	for _, s := range profiles {
		names = append(names, s.Name)
	}
	return strings.Join(names, " -> ")
}

// named is what credential_source names.
func (p *planner) named(path []*Section, source Property) ([]step, error) {
	switch name := source.text(); name {
	case sourceEnvironment, sourceIMDS, sourceContainer:
		settings, err := p.settings(p.files, path...)
		return []step{{kind: fromSource, profile: path[len(path)-1].Name, source: name, settings: settings}}, err
	}
	return nil, source.errorf("the value is none of %s, %s, %s", sourceEnvironment, sourceIMDS, sourceContainer)
}

// The values of credential_source.
const (
	sourceEnvironment = "Environment"
	sourceIMDS        = "Ec2InstanceMetadata"
	sourceContainer   = "EcsContainer"
)

func (p *planner) webIdentity(path []*Section) ([]step, error) {
	s := path[len(path)-1]
	file, _ := s.Property("web_identity_token_file")
	if !s.has("role_arn") {
		return nil, file.errorf("role_arn is missing, the role to assume with the token in the file%s", s.indented("role_arn"))
	}
	last, err := p.assumed(path)
	last.kind, last.tokenFile = fromWebIdentity, file.text()
	return []step{last}, err
}

// assumed is the step of a profile's role.
func (p *planner) assumed(path []*Section) (step, error) {
	s := path[len(path)-1]
	r := p.reader(p.files, path...)
	settings := r.settings()
	if r.checked(sts); r.err != nil {
		return step{}, r.err
	}
	a := step{kind: fromRole, profile: s.Name, settings: settings, role: role{
		arn: s.value("role_arn"), sessionName: s.value("role_session_name"),
		externalID: s.value("external_id"), mfaSerial: s.value("mfa_serial"),
	}}
	if d, ok := s.Property("duration_seconds"); ok {
		seconds, err := strconv.ParseInt(d.text(), 10, 32)
		if err != nil || seconds <= 0 {
			return step{}, d.errorf("the value is no number of seconds, from 1")
		}
		a.role.duration = time.Duration(seconds) * time.Second
	}
	return a, nil
}

func (p *planner) sso(path []*Section) ([]step, error) {
	s := path[len(path)-1]
	own, err := p.ssoOf(s)
	if err != nil {
		return nil, err
	}
	r := p.reader(p.files, path...)
	own.portal, own.oidc = r.endpoint("sso").text, r.endpoint("sso_oidc").text
	return []step{{kind: fromSSO, profile: s.Name, sso: own, settings: r.settings()}}, r.err
}

func (p *planner) login(path []*Section) ([]step, error) {
	s := path[len(path)-1]
	r := p.reader(p.files, path...)
	own := loginSession{s.value("login_session"), r.endpoint("signin").text}
	return []step{{kind: fromLogin, profile: s.Name, login: own, settings: r.settings()}}, r.err
}

// ssoOf is what a profile says of IAM Identity Center.
func (p *planner) ssoOf(s *Section) (ssoRole, error) {
	own := ssoRole{
		session: s.value("sso_session"), region: s.value("sso_region"), startURL: s.value("sso_start_url"),
		account: s.value("sso_account_id"), role: s.value("sso_role_name"),
	}
	if (own.account == "") != (own.role == "") {
		return ssoRole{}, s.errorf("of sso_account_id and sso_role_name only one is set: both say whose credentials are meant")
	}
	if own.session == "" {
		for _, key := range []string{"sso_account_id", "sso_start_url", "sso_region"} {
			if !s.has(key) {
				return ssoRole{}, s.errorf("%s is missing, which IAM Identity Center needs", key)
			}
		}
		return own, nil
	}
	session, err := p.files.find(kindSSOSession, own.session)
	if err != nil {
		return ssoRole{}, err
	}
	if session == nil {
		name, _ := s.Property("sso_session")
		return ssoRole{}, name.errorf("there is no [sso-session %s] in %s", own.session, p.files.Config)
	}
	for _, key := range []string{"sso_region", "sso_start_url"} {
		property, ok := s.Property(key)
		switch {
		case ok && property.text() != session.value(key):
			return ssoRole{}, property.errorf("it belongs into [sso-session %s], which the profile names, and which does not say the same", own.session)
		case !session.has(key):
			return ssoRole{}, session.errorf("%s is missing, which IAM Identity Center needs", key)
		}
	}
	own.region, own.startURL = session.value("sso_region"), session.value("sso_start_url")
	return own, nil
}
