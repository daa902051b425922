package profile

import "context"

// Parse reads the texts of both files. What cannot be read is an error.
func Parse(config, credentials string) (*Files, error) {
	files := &Files{Config: "config", Credentials: "credentials", sections: map[string]*Section{}, stray: map[string]Position{}, indents: map[string]indent{}}
	for _, f := range []struct {
		dialect
		text string
	}{{configFile, config}, {credentialsFile, credentials}} {
		s, err := scan(f.dialect, f.what, f.text)
		if err != nil {
			return nil, err
		}
		files.add(s)
	}
	if problems := files.Problems(); len(problems) > 0 {
		return nil, problems[0]
	}
	return files, nil
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
	steps, err := p.plan(ctx)
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
