package profile_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
)

const goodKeys = "aws_access_key_id = AKIDGOOD\naws_secret_access_key = s\n"

// A section that cannot be read is an error for profiles that need it, with its line and its name, and for no others.
// Report: smithy-rs#1488.
func TestBrokenSection(t *testing.T) {
	for name, test := range map[string]struct {
		broken string // with a profile ops in it
		want   string // of ops
	}{
		"text after the header":     {"[profile ops] (old)\n" + goodKeys, ":1: [profile ops] profile definition must end with ']', and only a comment may follow"},
		"no bracket":                {"[profile ops\n" + goodKeys, ":1: profile definition must end with ']'"},
		"a colon":                   {"[profile ops]\n\nregion: eu-west-1\n" + goodKeys, ":3: [profile ops] expected an '=' sign defining a property"},
		"no name":                   {"[profile ops]\n" + goodKeys + "= x\n", ":4: [profile ops] property did not have a name"},
		"nothing to continue":       {"[profile ops]\n  region\n", ":2: [profile ops] expected a property definition, found continuation"},
		"a sub-property of none":    {"[profile ops]\n" + goodKeys + "s3 =\n  signature\n", ":5: [profile ops] expected an '=' sign defining a sub-property"},
		"bytes that are no text":    {"[profile ops]\n" + goodKeys + "note = M\xfcller\n", ":4: [profile ops] the line is not UTF-8 text"},
		"a control character":       {"[profile ops]\n" + goodKeys + "note = \x1b[2J\n", ":4: [profile ops] the line is not UTF-8 text"},
		"too many keys":             {"[profile ops]\n" + goodKeys + lines("k%d = x", 1000), "[profile ops] the section has more than 1000 keys"},
		"twice, and then not":       {"[profile ops]\nregion: x\n[profile other]\n[profile ops]\n" + goodKeys, ":2: [profile ops] expected an '=' sign"},
		"first good":                {"[profile ops]\n" + goodKeys + "[profile ops] x\n", ":4: [profile ops] profile definition must end"},
		"a header that is not text": {"[profile \xff ops]\n" + goodKeys, ":1: the line is not UTF-8 text"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, wanted := range []string{"default", "good"} {
				header := map[string]string{"default": "[default]\n", "good": "[profile good]\n"}[wanted]
				for _, config := range []string{test.broken + header + goodKeys, header + goodKeys + test.broken} {
					p := &profile.Provider{Profile: wanted, LookupEnv: env{"HOME": "/home"}.lookup, Open: files{"/home/.aws/config": config}.open}
					creds, err := p.Retrieve(t.Context())
					require.NoError(t, err)
					require.Equal(t, "AKIDGOOD", creds.AccessKeyID)
					all, err := p.Files(t.Context())
					require.NoError(t, err)
					require.Len(t, all.Problems(), 1)
					require.Contains(t, stschain.Explain(t.Context(), p).String(), all.Problems()[0].Error()[len("profile: "):])
				}
			}
			for path, disk := range map[string]files{
				"/home/.aws/config":      {"/home/.aws/config": test.broken},
				"/home/.aws/credentials": {"/home/.aws/credentials": strings.ReplaceAll(test.broken, "[profile ", "[")},
				// Half of a profile is none, even if the other file has keys for it.
				" of the config file": {"/home/.aws/config": test.broken, "/home/.aws/credentials": "[ops]\n" + goodKeys},
			} {
				for what, p := range map[string]*profile.Provider{
					"selected": {LookupEnv: env{"HOME": "/home", "AWS_PROFILE": "ops"}.lookup, Open: disk.open},
					"a source": {LookupEnv: env{"HOME": "/home", "AWS_PROFILE": "dev", "AWS_REGION": "eu-west-1"}.lookup, Open: files{
						"/home/.aws/config": "[profile dev]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = ops\n" + disk["/home/.aws/config"], "/home/.aws/credentials": disk["/home/.aws/credentials"],
					}.open},
				} {
					_, err := p.Retrieve(t.Context())
					require.Error(t, err, path+what)
					require.False(t, stschain.IsUnavailable(err), "%v", err)
					require.ErrorIs(t, err, stschain.ErrPermanent)
					require.NotContains(t, err.Error(), "AKIDGOOD")
					if what == "selected" {
						require.ErrorContains(t, err, test.want, path)
					}
				}
			}
		})
	}
}

// Keys below a header that cannot be read are not those of the section above it.
func TestKeysBelowABrokenHeader(t *testing.T) {
	for _, header := range []string{"[profile ops] x", "[profile ops", "[", "[profile \xff]", "[] x"} {
		files, err := (&profile.Provider{LookupEnv: env{"HOME": "/home"}.lookup, Open: files{
			"/home/.aws/config": "[default]\nregion = eu-west-1\n" + header + "\nrole_arn = x\n[profile q]\nregion = x\n",
		}.open}).Files(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"region"}, files.Profile("default").Keys(), header)
		require.NoError(t, files.Profile("default").Err())
		require.Equal(t, []string{"region"}, files.Profile("q").Keys(), header)
		require.Len(t, files.Problems(), 1)
	}
}

// What may be the header of the selected profile is an error.
func TestLinesThatBelongToNothing(t *testing.T) {
	for config, unavailable := range map[string]bool{
		"default]\naws_access_key_id = x\n":   false, // it may be the default profile
		"default]\n[profile x]\nregion = y\n": false,
		"region = eu-west-1\n":                false,
		"{}":                                  false,
		"\xff\xfe[\x00d\x00":                  false,
		"[profile x] # fine\nregion: y\n":     true, // no default profile, and it is another one that is broken
		"[profile x] y\n":                     true,
		"[default]\n[profile x\n":             true,
		"[defaults]\nregion: x":               true,
		"[sso-session s]\nsso_region: x\n[default]\nregion = eu-west-1\n":     true,
		"[default]\nregion = eu-west-1\n[services s]\ns3 =\n  endpoint_url\n": true,
	} {
		p := &profile.Provider{LookupEnv: env{"HOME": "/home"}.lookup, Open: files{"/home/.aws/config": config}.open}
		_, err := p.Retrieve(t.Context())
		require.Error(t, err)
		require.Equal(t, unavailable, stschain.IsUnavailable(err), "%q: %v", config, err)
	}
	// With the profile in the other file.
	p := &profile.Provider{LookupEnv: env{"HOME": "/home"}.lookup, Open: files{
		"/home/.aws/config": "default]\nrole_arn = x\n", "/home/.aws/credentials": "[default]\n" + goodKeys}.open}
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "/home/.aws/config:1: expected a profile definition")
}

// So it is with what a profile names.
func TestBrokenSectionsOfAProfile(t *testing.T) {
	for name, config := range map[string]string{
		"its session":  "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nsso_region: x\n",
		"its services": "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\ncredential_source = Environment\nservices = s\n[services s]\nsts =\n  endpoint_url\n",
	} {
		p := &profile.Provider{LookupEnv: env{"HOME": "/home"}.lookup, Open: files{"/home/.aws/config": config}.open}
		_, err := p.Retrieve(t.Context())
		require.ErrorContains(t, err, " s] expected an '=' sign", name)
		require.ErrorIs(t, err, stschain.ErrPermanent)
	}
}

// A line that is indented by mistake continues the one above it, as in the AWS SDKs; the error for what is missing says so.
// Report: aws-sdk-go-v2#2363.
func TestIndentedByMistake(t *testing.T) {
	const key, secret = "aws_access_key_id = AKID\n", "aws_secret_access_key = s\n"
	const role = "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/r\n"
	for name, test := range map[string]struct{ config, want string }{
		"a header":              {"[default]\nregion = x\n\t[profile p]\n" + key + secret, "the header of the profile in line 3 of /home/.aws/config is indented, so it continues line 2: remove the white space before it"},
		"a header with quotes":  {"[default]\nregion = x\n  [profile 'p'] # mine\n" + key + secret, "in line 3 of /home/.aws/config is indented"},
		"the second key":        {"[profile p]\n" + key + "   " + secret, "aws_secret_access_key in line 3 of /home/.aws/config is indented, so it continues line 2"},
		"the first key":         {"[profile p]\nregion = x\n " + key + secret, "aws_access_key_id in line 3 of /home/.aws/config is indented"},
		"the token":             {"[profile p]\n" + key + secret + " aws_session_token = t\n", "line 4 of /home/.aws/config is indented, so it continues line 3"},
		"all of it":             {"[profile p]\nregion = x\n  credential_process = y\n", "credential_process in line 3 of /home/.aws/config is indented"},
		"what assumes the role": {role + "\tsource_profile = q\n", "source_profile in line 3 of /home/.aws/config is indented"},
		"the role":              {"[profile p]\nsource_profile = q\n\trole_arn = x\n", "role_arn in line 3 of /home/.aws/config is indented"},
		"the role of a token":   {"[profile p]\nweb_identity_token_file = /t\n\trole_arn = x\n", "role_arn in line 3 of /home/.aws/config is indented"},
		"the keys of a source":  {role + "source_profile = q\n[profile q]\nregion = x\n  " + key + secret, "aws_access_key_id in line 6 of /home/.aws/config is indented"},
		"the header of one":     {role + "source_profile = q\n  [profile q]\n" + key + secret, "line 4 of /home/.aws/config is indented, so it continues line 3"},
		"a header of settings":  {"[default]\ns3 =\n  [profile p]\n", "the header of the profile in line 3"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &profile.Provider{Profile: "p", LookupEnv: env{"HOME": "/home"}.lookup, Open: files{"/home/.aws/config": test.config}.open}
			_, err := p.Retrieve(t.Context())
			require.ErrorContains(t, err, test.want)
			require.False(t, stschain.IsUnavailable(err), "%v", err)
		})
	}
	p := &profile.Provider{LookupEnv: env{"HOME": "/home"}.lookup, Open: files{"/home/.aws/config": "[profile x]\nregion = y\n\t[default]\n"}.open}
	_, err := p.Retrieve(t.Context())
	require.True(t, stschain.IsUnavailable(err), "as before: there is no default profile")
	require.ErrorContains(t, err, "in line 3 of /home/.aws/config is indented, so it continues line 2")
}
