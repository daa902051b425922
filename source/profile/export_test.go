package profile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/stschain-go/stschain"
)

// Files are the two files as tests look at them.
type Files struct{ *files }

// Section is a profile or an sso-session.
type Section struct{ *section }

// Parse reads the texts of both files. What cannot be read is an error.
func Parse(config, credentials string) (Files, error) {
	f := newFiles(location{path: "config"}, location{path: "credentials"})
	if err := errors.Join(f.scan(configFile, "config", config), f.scan(credentialsFile, "credentials", credentials)); err != nil {
		return Files{}, err
	}
	if len(f.problems) > 0 {
		return Files{}, f.problems[0]
	}
	return Files{f}, nil
}

// Files reads both files as the provider does.
func (p *Provider) Files(ctx context.Context) (Files, error) {
	f, err := p.load(ctx)
	return Files{f}, err
}

// Profile returns the profile of that name.
func (f Files) Profile(name string) Section {
	return Section{f.sections[sectionName(kindProfile, name)]}
}

// SSOSession returns the sso-session of that name.
func (f Files) SSOSession(name string) Section {
	return Section{f.sections[sectionName(kindSSOSession, name)]}
}

// Problems returns what cannot be read.
func (f Files) Problems() []error { return f.problems }

// Profiles returns the names of the listed profiles, sorted.
func (f Files) Profiles() []string { return f.profiles() }

// Exists reports whether there is such a section.
func (s Section) Exists() bool { return s.section != nil }

// Err returns what is wrong with the section.
func (s Section) Err() error { return s.err }

// Keys returns the keys, sorted.
func (s Section) Keys() []string { return slices.Sorted(maps.Keys(s.positions)) }

// Value returns the value of a key.
func (s Section) Value(key string) stschain.Secret { return s.get(key).value }

// Position returns where a key is, or the section if key is "".
func (s Section) Position(key string) string {
	if key == "" {
		return s.position.String()
	}
	return s.get(key).position.String()
}

// Settings returns those of the selected profile as text.
func (p *Provider) Settings(ctx context.Context) (string, error) {
	s, err := p.settings(ctx)
	return fmt.Sprintf("%+v", s), err
}

// Locate returns the paths that the provider would read on a system.
func (p *Provider) Locate(goos string) (config, credentials string) {
	at, _ := p.locate("AWS_CONFIG_FILE", "config", goos)
	and, _ := p.locate("AWS_SHARED_CREDENTIALS_FILE", "credentials", goos)
	return at.path, and.path
}

// Selected returns the name of the profile.
func (p *Provider) Selected() string {
	name, _ := p.selected()
	return name
}

// Steps returns the plan of the profile as the conformance vectors have it.
func (p *Provider) Steps(ctx context.Context) (chain []map[string]map[string]string, err error) {
	steps, _, err := p.plan(ctx)
	for _, s := range steps {
		kind := [...]string{"AccessKey", "NamedSource", "WebIdentityToken", "Process", "Sso", "Login", "AssumeRole"}[s.kind]
		fields := map[string]string{}
		for name, value := range map[string]string{
			"access_key_id": s.keys.id, "secret_access_key": s.keys.secret.Reveal(), "account_id": s.account,
			"name":        s.source,
			"sso_session": s.sso.session, "sso_region": s.sso.region, "sso_start_url": s.sso.startURL,
			"sso_account_id": s.sso.account, "sso_role_name": s.sso.role,
			"role_arn": s.role.arn, "role_session_name": s.role.sessionName, "external_id": s.role.externalID,
			"web_identity_token_file": s.tokenFile,
		} {
			if value != "" {
				fields[name] = value
			}
		}
		chain = append(chain, map[string]map[string]string{kind: fields})
	}
	return chain, err
}

// Quoted is how the AWS CLI writes a name into a header.
var Quoted = quoted

// ShellWord returns the one word that text is to a shell.
func ShellWord(text string) (word string, ok bool) { return shellWord(text) }

// EndOfHeader returns the index of the bracket that ends a header, -1 if there is none.
func EndOfHeader(line string) int { return endOfHeader(line) }
