package profile_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
)

// What users have in their files, and the error for it.
func TestMistakes(t *testing.T) {
	const role, arn = "[profile p]\n" + "role_arn = arn:aws:iam::123456789012:role/r\n", "arn:aws:iam::123456789012:role/r"
	for name, test := range map[string]struct{ config, credentials, want string }{
		"a token file that is too large":        {config: role + "web_identity_token_file = /large", want: "token file /large: exceeds 40000 bytes"},
		"a bundle that is not there, for SSO":   {config: "[profile p]\nsso_account_id = 1\nsso_role_name = r\nsso_start_url = x\nsso_region = eu-west-1\nca_bundle = /none", want: "ca_bundle /none: file does not exist"},
		"a bundle that is not there, for login": {config: "[profile p]\nlogin_session = x\nca_bundle = /large", want: "ca_bundle /large: no certificate in PEM found"},
		"a bundle for a container":              {config: role + "credential_source = EcsContainer\nca_bundle = /none", want: "ca_bundle /none: file does not exist"},
		"half a session":                        {config: "[profile p]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nsso_region = eu-west-1", want: "[sso-session s]: sso_start_url is missing"},
		"a setting of a token's role":           {config: role + "web_identity_token_file = /none\nretry_mode = often", want: "retry_mode: the value must be one of standard, adaptive, legacy"},
		"a setting of a named source":           {config: role + "credential_source = Environment\nuse_fips_endpoint = si", want: "use_fips_endpoint: the value must be one of true, false"},
		"a source with a mistake":               {config: role + "source_profile = q\n[profile q]\nsource_profile = p", want: "[profile q]"},
	} {
		t.Run(name, func(t *testing.T) {
			open := files{"/home/.aws/config": test.config, "/home/.aws/credentials": test.credentials, "/large": strings.Repeat("x", 40_001)}.open
			p := &profile.Provider{LookupEnv: env{"HOME": "/home", "AWS_PROFILE": "p", "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "b"}.lookup, Open: open}
			_, err := stschain.NewChain(p, stschain.Static("AKIDOTHER", "other", "")).Retrieve(t.Context())
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "not falling back to another identity")
		})
	}
	// A role without a region says first what a request for it lacks.
	p := &profile.Provider{LookupEnv: env{"HOME": "/home", "AWS_PROFILE": "p"}.lookup, Open: files{"/home/.aws/config": role + "credential_source = Environment"}.open}
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "AWS_ACCESS_KEY_ID is not set")
	require.False(t, stschain.IsUnavailable(err), "%v", err)
	p = &profile.Provider{LookupEnv: env{"HOME": "/home", "AWS_PROFILE": "p", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "b"}.lookup, Open: p.Open}
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "has the role "+arn+", and no region is configured to call STS in")
	x := stschain.Explain(t.Context(), p)
	require.Contains(t, x.String(), "succeeded           env", "the base of the role that cannot be requested is reported")
}

// Files that fail while they are read say so, and are no files that are not there.
func TestFilesThatFail(t *testing.T) {
	broken := errors.New("input/output error")
	for name, f := range map[string]fs.File{
		"that cannot be looked at": file{statErr: broken},
		"that cannot be read":      file{readErr: broken},
	} {
		t.Run(name, func(t *testing.T) {
			p := &profile.Provider{LookupEnv: env{"HOME": "/home"}.lookup, Open: func(path string) (fs.File, error) {
				if filepath.Base(path) == "config" {
					return f, nil
				}
				return nil, fs.ErrNotExist
			}}
			_, err := p.Retrieve(t.Context())
			require.ErrorContains(t, err, "/home/.aws/config: input/output error")
			require.False(t, stschain.IsUnavailable(err), "%v", err)
		})
	}
}

// file is one that fails.
type file struct{ statErr, readErr error }

func (f file) Stat() (fs.FileInfo, error) { return info{}, f.statErr }
func (f file) Read([]byte) (int, error)   { return 0, f.readErr }
func (f file) Close() error               { return nil }

type info struct{}

func (info) Name() string       { return "config" }
func (info) Size() int64        { return 1 }
func (info) Mode() fs.FileMode  { return 0o600 }
func (info) ModTime() time.Time { return time.Unix(0, 0) }
func (info) IsDir() bool        { return false }
func (info) Sys() any           { return nil }
