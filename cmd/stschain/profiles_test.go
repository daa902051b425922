package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/canary"
)

const manyProfiles = `[default]
region = eu-west-1
[profile admin]
role_arn = arn:aws:iam::123456789012:role/admin
source_profile = keys
mfa_serial = arn:aws:iam::123456789012:mfa/alice
region = eu-central-1
[profile keys]
aws_access_key_id = AKIAKEYS
aws_secret_access_key = canary/profile/secret
[profile cycle]
role_arn = arn:aws:iam::123456789012:role/cycle
source_profile = cycle2
[profile cycle2]
role_arn = arn:aws:iam::123456789012:role/cycle
source_profile = cycle
[profile pod]
role_arn = arn:aws:iam::123456789012:role/pod
web_identity_token_file = /var/run/token
region = us-east-1
[profile elsewhere]
role_arn = arn:aws:iam::123456789012:role/elsewhere
source_profile = keys
[profile program]
credential_process = /opt/keys --password canary/profile/secret
[profile session]
login_session = arn:aws:iam::123456789012:user/alice
[profile sso]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Dev
[profile half]
sso_session = corp
sso_role_name = Dev
[sso-session corp]
sso_region = eu-west-1
sso_start_url = https://corp.awsapps.com/start
[profile "two words"]
region = eu-west-3
`

func TestProfiles(t *testing.T) {
	w := newWorld(t).config(manyProfiles)
	delete(w.env, "AWS_REGION")
	w.env["AWS_PROFILE"] = "admin"
	code, stdout, stderr := w.run("profiles", "-json")
	require.Equal(t, exitOK, code, stderr)
	require.Empty(t, stderr)
	canary.CheckText(t, "canary/profile/secret", stdout)
	var list []listed
	require.NoError(t, json.Unmarshal([]byte(stdout), &list))
	found := map[string]listed{}
	for _, p := range list {
		found[p.Name] = p
	}
	config := filepath.Join(w.home, ".aws", "config")
	for _, want := range []listed{
		{Name: "default", Kind: "settings", Region: "eu-west-1"},
		{Name: "admin", Kind: "role", Role: "arn:aws:iam::123456789012:role/admin", Region: "eu-central-1", From: config + ":4"},
		{Name: "keys", Kind: "keys", From: config + ":9"},
		{Name: "pod", Kind: "web identity", Role: "arn:aws:iam::123456789012:role/pod", Region: "us-east-1", From: config + ":18"},
		{Name: "program", Kind: "process", From: config + ":25"},
		{Name: "session", Kind: "login", From: config + ":27"},
		{Name: "sso", Kind: "sso", Role: "123456789012/Dev", From: config + ":29"},
		{Name: "two words", Kind: "settings", Region: "eu-west-3"},
	} {
		require.Equal(t, want, found[want.Name])
	}
	require.Equal(t, "arn:aws:iam::123456789012:role/elsewhere", found["elsewhere"].Role)
	for name, problem := range map[string]string{
		"cycle": "the profiles form a cycle", "half": "only one of sso_account_id and sso_role_name is set", "elsewhere": "no region is configured",
	} {
		require.Contains(t, found[name].Problem, problem)
	}
	require.Empty(t, w.sts.Calls())

	code, stdout, stderr = w.run("profiles")
	require.Equal(t, exitOK, code, stderr)
	require.Regexp(t, `(?m)^NAME +KIND +ROLE +REGION +FROM +PROBLEM$`, stdout)
	require.Regexp(t, `(?m)^two words +settings +- +eu-west-3 +-$`, stdout)
	canary.CheckText(t, "canary/profile/secret", stdout)

	code, stdout, _ = w.run("profiles", "-names")
	require.Equal(t, exitOK, code)
	require.Equal(t, "admin\ncycle\ncycle2\ndefault\nelsewhere\nhalf\nkeys\npod\nprogram\nsession\nsso\ntwo words\n", stdout)
}

// The header of a profile lacks a word: nothing below it counts.
func TestProfilesWithoutTheWord(t *testing.T) {
	w := newWorld(t).config("[default]\nregion = a\n[prod]\nregion = b\n[both]\nregion = c\nca_bundle = /c\n[sso-session s]\nsso_region = d\n")
	require.NoError(t, os.WriteFile(filepath.Join(w.home, ".aws", "credentials"), []byte("[both]\naws_access_key_id = AKIA\naws_secret_access_key = canary\n"), 0o600))
	code, stdout, stderr := w.run("profiles", "-json")
	require.Equal(t, exitOK, code, stderr)
	var list []listed
	require.NoError(t, json.Unmarshal([]byte(stdout), &list))
	require.Len(t, list, 3)
	require.Equal(t, "keys", list[0].Kind)
	require.Equal(t, filepath.Join(w.home, ".aws", "config")+" has [both], which in this file must be [profile both]", list[0].Problem)
	require.Empty(t, list[1].Problem)
	require.Contains(t, list[2].Problem, "[profile prod]")
}

// A list without files is empty, and one that cannot be read is an error.
func TestProfilesWithoutFiles(t *testing.T) {
	w := newWorld(t)
	code, stdout, stderr := w.run("profiles", "-json")
	require.Equal(t, exitOK, code, stderr)
	require.Equal(t, "[]\n", stdout)

	delete(w.env, "HOME")
	code, stdout, stderr = w.run("profiles", "-names")
	require.Equal(t, exitOK, code, stderr)
	require.Empty(t, stdout)

	w.env["AWS_CONFIG_FILE"] = filepath.Join(w.home, "none")
	code, _, stderr = w.run("profiles")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "none")
}
