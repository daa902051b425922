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

// step is one step to the credentials of a profile: a base, or a role that is
// assumed with the credentials of the previous step. Steps are compared to see
// whether a change of the files matters, so they have no positions.
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
	settings  settings        // fromSource, fromSSO, fromLogin, fromWebIdentity, fromRole
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

// plan returns the steps to the credentials of the selected profile, in order, and the key that makes it a
// source of credentials.
func (p *Provider) plan(ctx context.Context) ([]*step, *property, error) {
	files, selected, err := p.profile(ctx)
	if err != nil {
		return nil, nil, err
	}
	name, by := p.selected()
	key, refused := selected.first(credentialKeys...), files.refused()
	switch {
	case key.isSet() && refused != nil:
		err = refused.errorf("cannot be opened: %w; the profile %s has %s in %s, and the file that cannot be opened may name a role instead: "+
			"give this program access to the file, or set %s=%s to ignore it", refused.absent, name, key.key, key.position.file, refused.variable, os.DevNull)
	case key.isSet():
		steps, err := (&planner{p, files}).steps([]*section{selected})
		return steps, key, err
	case selected == nil:
		err = stschain.Unavailable("profile: no profile is selected, and there is no profile %s in %s%s", name, files.places(), files.hint(name))
	case p.Profile != "":
		err = selected.errorf("%s names this profile, and it has no credentials: none of %s%s", by, strings.Join(credentialKeys, ", "), selected.indented(credentialKeys...))
	case by != "":
		err = stschain.Unavailable("profile: %s names the profile %s (%s), which has settings and no credentials%s", by, name, selected.position, selected.indented(credentialKeys...))
	default:
		err = stschain.Unavailable("profile: no profile is selected, and the profile %s (%s) has no credentials%s", name, selected.position, selected.indented(credentialKeys...))
	}
	return nil, key, err
}

// Configured returns what makes the selected profile a source of credentials,
// for reports: a key and its position, such as "role_arn,
// /home/me/.aws/config:2". Its errors are those of Retrieve before anything is
// retrieved: [stschain.Unavailable] if there is no such key.
func (p *Provider) Configured(ctx context.Context) (string, error) {
	_, key, err := p.plan(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %v", key.key, key.position), nil
}

// credentialKeys are those that make a profile a source of credentials.
var credentialKeys = []string{
	"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token",
	"role_arn", "source_profile", "credential_source", "web_identity_token_file", "credential_process",
	"sso_session", "sso_account_id", "sso_role_name", "sso_start_url", "login_session",
}

// ssoRole is a role in IAM Identity Center, and the endpoints if they are configured.
type ssoRole struct{ session, region, startURL, scopes, account, role, portal, oidc string }

// loginSession is a session of `aws login`, and the endpoint that refreshes it if that is configured.
type loginSession struct{ session, endpoint string }

// planner follows source_profile from one profile to the next.
type planner struct {
	*Provider
	files *files
}

// steps are those of the last profile of a path, which begins at the selected one.
func (p *planner) steps(path []*section) ([]*step, error) {
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
		return []*step{{kind: fromProcess, profile: s.name, command: s.get("credential_process").value, account: accountOf(s)}}, nil
	case s.has("source_profile", "credential_source"):
		by := s.first("credential_source", "source_profile")
		return nil, by.errorf("role_arn is missing%s: add the ARN of the role to assume with the credentials of %s, or remove %s", s.indented("role_arn"), by.text(), by.key)
	}
	return nil, s.errorf("the profile has no credentials: none of %s%s", strings.Join(credentialKeys, ", "), s.indented(credentialKeys...))
}

// role returns the steps to the credentials that assume the role, and the role.
func (p *planner) role(path []*section) (before []*step, err error) {
	s := path[len(path)-1]
	source, next, mfa := s.get("credential_source"), s.get("source_profile"), s.get("mfa_serial")
	switch {
	case source.isSet() && next.isSet():
		return nil, next.errorf("credential_source is set as well (%s), and only one of them can assume the role", source.position)
	case next.isSet():
		before, err = p.follow(path, next)
	case source.isSet():
		before, err = p.named(path, source)
	default:
		return nil, s.get("role_arn").errorf("the credentials that assume the role are missing: set source_profile, credential_source or web_identity_token_file%s",
			s.indented("source_profile", "credential_source", "web_identity_token_file"))
	}
	if err != nil {
		return nil, err
	}
	last, err := p.assumed(path)
	if err == nil && mfa.isSet() && p.MFAToken == nil {
		err = mfa.errorf("the role needs the code of an MFA device, and Provider.MFAToken, which prompts for it, is not set")
	}
	return append(before, last), err
}

// follow returns the steps of the profile that source_profile names.
func (p *planner) follow(path []*section, next *property) ([]*step, error) {
	name, from := next.text(), path[len(path)-1]
	to, err := p.files.find(kindProfile, name)
	if err != nil {
		return nil, fmt.Errorf("%w; it is named by %s", err, next.origin())
	}
	switch i := slices.Index(path, to); {
	case to == nil:
		return nil, next.errorf("there is no profile %q in %s%s%s", name, p.files.places(), p.files.hint(name), from.continued(next))
	case to == from && to.has(keyPair...):
		return keysStep(to)
	case i >= 0:
		names := ""
		for _, s := range path[i:] {
			names += s.name + " -> "
		}
		return nil, next.errorf("the profiles form a cycle: %s%s", names, name)
	case len(path) >= maxProfiles:
		return nil, next.errorf("the chain of source profiles from %s has more than %d profiles", path[0].name, maxProfiles)
	}
	return p.steps(append(slices.Clone(path), to))
}

const maxProfiles = 32 // in a chain

// The values of credential_source.
const (
	sourceEnvironment = "Environment"
	sourceIMDS        = "Ec2InstanceMetadata"
	sourceContainer   = "EcsContainer"
)

// named returns the step of a credential_source.
func (p *planner) named(path []*section, source *property) ([]*step, error) {
	switch name := source.text(); name {
	case sourceEnvironment, sourceIMDS, sourceContainer:
		r := p.reader(p.files, path...)
		return []*step{{kind: fromSource, profile: path[len(path)-1].name, source: name, settings: r.settings()}}, r.err
	}
	return nil, source.errorf("the value must be one of %s, %s, %s", sourceEnvironment, sourceIMDS, sourceContainer)
}

func (p *planner) webIdentity(path []*section) ([]*step, error) {
	s := path[len(path)-1]
	file := s.get("web_identity_token_file")
	if !s.has("role_arn") {
		return nil, file.errorf("role_arn is missing, the role to assume with the token in the file%s", s.indented("role_arn"))
	}
	last, err := p.assumed(path)
	last.kind, last.tokenFile = fromWebIdentity, file.text()
	return []*step{last}, err
}

// assumed is the step of a profile's role.
func (p *planner) assumed(path []*section) (*step, error) {
	s := path[len(path)-1]
	r := p.reader(p.files, path...)
	a := &step{kind: fromRole, profile: s.name, settings: r.settings(), role: role{
		arn: s.get("role_arn").text(), sessionName: s.get("role_session_name").text(),
		externalID: s.get("external_id").text(), mfaSerial: s.get("mfa_serial").text(),
	}}
	r.checked(sts)
	if d := s.get("duration_seconds"); d.isSet() {
		seconds, err := strconv.ParseInt(d.text(), 10, 32)
		if err != nil || seconds <= 0 {
			r.fail(d.setting(), "the value must be a number of seconds, from 1")
		}
		a.role.duration = time.Duration(seconds) * time.Second
	}
	return a, r.err
}

func (p *planner) sso(path []*section) ([]*step, error) {
	s := path[len(path)-1]
	own, err := p.ssoOf(s)
	if err != nil {
		return nil, err
	}
	r := p.reader(p.files, path...)
	own.portal, own.oidc = r.endpoint("sso").text, r.endpoint("sso_oidc").text
	return []*step{{kind: fromSSO, profile: s.name, sso: own, settings: r.settings()}}, r.err
}

func (p *planner) login(path []*section) ([]*step, error) {
	s := path[len(path)-1]
	r := p.reader(p.files, path...)
	own := loginSession{s.get("login_session").text(), r.endpoint("signin").text}
	return []*step{{kind: fromLogin, profile: s.name, login: own, settings: r.settings()}}, r.err
}

// ssoOf returns the settings of a profile and its session for IAM Identity Center.
func (p *planner) ssoOf(s *section) (own ssoRole, err error) {
	name, account, role := s.get("sso_session"), s.get("sso_account_id"), s.get("sso_role_name")
	if account.isSet() != role.isSet() {
		return own, s.errorf("only one of sso_account_id and sso_role_name is set: set both")
	}
	session, required := s, []string{"sso_account_id", "sso_start_url", "sso_region"}
	if name.isSet() {
		required = required[1:]
		session, err = p.files.find(kindSSOSession, name.text())
		switch {
		case err != nil:
			return own, err
		case session == nil:
			return own, name.errorf("there is no [sso-session %s] in %s", name.text(), p.files.config.path)
		}
	}
	for _, key := range required {
		property := s.get(key)
		switch {
		case property.isSet() && property.text() != session.get(key).text():
			return own, property.errorf("the value differs from that of [sso-session %s], which the profile names: remove it here", name.text())
		case !session.has(key):
			return own, session.errorf("%s is missing, which IAM Identity Center needs", key)
		}
	}
	return ssoRole{
		session: name.text(), region: session.get("sso_region").text(), startURL: session.get("sso_start_url").text(),
		account: account.text(), role: role.text(), scopes: session.registrationScopes(),
	}, nil
}
