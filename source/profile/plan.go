package profile

import (
	"context"
	"fmt"
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

type keys struct {
	id            string
	secret, token stschain.Secret
}

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
	if section != nil && section.has(credentialKeys...) {
		return (&planner{p, files}).steps([]*Section{section})
	}
	name, by := p.selected()
	switch {
	case by != "":
		return nil, section.errorf("%s names this profile, and it has no credentials: none of %s. Name no profile if other sources may be asked instead",
			by, strings.Join(credentialKeys, ", "))
	case slices.ContainsFunc(files.missing, func(l location) bool { return l.named }):
		return nil, stschain.Permanent(fmt.Errorf("profile: the profile %s has no credentials in %s: make the file that is named and missing, or unset the variable", name, files.places()))
	case section == nil:
		return nil, stschain.Unavailable("profile: no profile is selected, and there is no profile %s in %s%s", name, files.places(), files.hint(name))
	}
	return nil, stschain.Unavailable("profile: no profile is selected, and the profile %s (%s) has no credentials", name, section.Position)
}

// credentialKeys are those that make a profile a source of credentials.
var credentialKeys = []string{
	"aws_access_key_id", "aws_secret_access_key", "aws_session_token",
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
	case s.has(keyPair...), s.has("aws_session_token"):
		return keysStep(s)
	case s.has("sso_session", "sso_account_id", "sso_role_name", "sso_start_url"):
		return p.sso(path)
	case s.has("login_session"):
		return p.login(path)
	case s.has("credential_process"):
		command, _ := s.Property("credential_process")
		return []step{{kind: fromProcess, profile: s.Name, command: command.Value, account: s.value("aws_account_id")}}, nil
	case s.has("source_profile", "credential_source"):
		return nil, s.errorf("role_arn is missing, which source_profile or credential_source is to assume")
	}
	return nil, s.errorf("the profile has no credentials: none of %s", strings.Join(credentialKeys, ", "))
}

var keyPair = []string{"aws_access_key_id", "aws_secret_access_key"}

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
		return nil, arn.errorf("nothing says what assumes the role: set source_profile, credential_source or web_identity_token_file")
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
	to := p.files.Profile(name)
	switch i := slices.Index(path, to); {
	case to == nil:
		return nil, next.errorf("there is no profile %q in %s%s", name, p.files.places(), p.files.hint(name))
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
		return nil, file.errorf("role_arn is missing, the role for which the token in the file vouches")
	}
	last, err := p.assumed(path)
	last.kind, last.tokenFile = fromWebIdentity, file.text()
	return []step{last}, err
}

// assumed is the step of a profile's role.
func (p *planner) assumed(path []*Section) (step, error) {
	s := path[len(path)-1]
	settings, err := p.settings(p.files, path...)
	if err != nil {
		return step{}, err
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

// keysStep is the step of a profile's keys.
func keysStep(s *Section) ([]step, error) {
	keys, err := keysOf(s)
	return []step{{kind: fromKeys, profile: s.Name, keys: keys, account: s.value("aws_account_id")}}, err
}

// keysOf takes all parts of the keys from one file: parts of two would not fit.
func keysOf(s *Section) (k keys, err error) {
	id, hasID := s.Property("aws_access_key_id")
	secret, hasSecret := s.Property("aws_secret_access_key")
	token, _ := s.Property("aws_session_token")
	switch {
	case !hasID && !hasSecret:
		return k, token.errorf("there are no keys that the token belongs to: aws_access_key_id and aws_secret_access_key are missing")
	case !hasSecret:
		return k, id.errorf("aws_secret_access_key is missing")
	case !hasID:
		return k, secret.errorf("aws_access_key_id is missing")
	case id.Position.File != secret.Position.File:
		return k, id.errorf("aws_secret_access_key is in another file (%s): both belong into one", secret.Position)
	case id.Position.File != token.Position.File:
		token = Property{}
	}
	for _, property := range []Property{id, secret, token} {
		if strings.ContainsFunc(property.text(), func(r rune) bool { return r <= ' ' || r > '~' }) {
			return k, property.errorf("the value has white space or characters beyond ASCII, which no request can carry")
		}
	}
	return keys{id.text(), secret.Value, token.Value}, nil
}

func (p *planner) sso(path []*Section) ([]step, error) {
	s := path[len(path)-1]
	own, err := p.ssoOf(s)
	if err != nil {
		return nil, err
	}
	r := p.reader(p.files, path...)
	own.portal, own.oidc = r.configured("sso"), r.configured("sso_oidc")
	return []step{{kind: fromSSO, profile: s.Name, sso: own, settings: r.settings()}}, r.err
}

func (p *planner) login(path []*Section) ([]step, error) {
	s := path[len(path)-1]
	r := p.reader(p.files, path...)
	own := loginSession{s.value("login_session"), r.configured("signin")}
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
	session := p.files.SSOSession(own.session)
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
