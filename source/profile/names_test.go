package profile_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/ststest"
)

// written are headers as `aws configure set ... --profile NAME` of the AWS CLI 2 writes them into the
// config file: names with white space are quoted as for a shell. The credentials file has the name.
var written = map[string]string{
	"Blue Team":              `profile 'Blue Team'`,
	"Ann's Work Laptop":      `profile 'Ann'"'"'s Work Laptop'`,
	"Bob's":                  `profile Bob's`,
	"two\ttabs":              "profile 'two\ttabs'",
	"Größe":                  `profile Größe`,
	"Größe über alles":       `profile 'Größe über alles'`,
	"開発":                     `profile 開発`,
	"R&D":                    `profile R&D`,
	"R&D (test)":             `profile 'R&D (test)'`,
	"a # b ; c":              `profile 'a # b ; c'`,
	"[x] y":                  `profile '[x] y'`,
	`say "hi"`:               `profile 'say "hi"'`,
	`DOMAIN\user`:            `profile DOMAIN\user`,
	`C:\Program Files\aws x`: `profile 'C:\Program Files\aws x'`,
}

// Every name that the AWS CLI writes is found, as the selected profile and as a source profile.
// Reports: aws-cli#2806, aws-sdk-rust#1097.
func TestNamesOfTheCLI(t *testing.T) {
	for name, header := range written {
		t.Run(name, func(t *testing.T) {
			srv := ststest.NewTest(t)
			const role = "role_arn = arn:aws:iam::123456789012:role/r\nregion = eu-west-1\nsource_profile = "
			retrieve := func(disk files, profileName string) stschain.Credentials {
				p := &profile.Provider{LookupEnv: env{"HOME": "/home", "AWS_PROFILE": profileName}.lookup, Open: disk.open, HTTPClient: srv.Client()}
				creds, err := p.Retrieve(t.Context())
				require.NoError(t, err)
				return creds
			}
			keys := keysOf(srv.User())
			both := files{"/home/.aws/config": "[" + header + "]\noutput = json\n[profile dev]\n" + role + name + "\n"}
			if !strings.Contains(name, "]") { // the CLI itself cannot find that one again
				both["/home/.aws/credentials"] = "[" + name + "]\n" + keys
			} else {
				both["/home/.aws/config"] = strings.Replace(both["/home/.aws/config"], "output = json\n", keys, 1)
			}
			require.Equal(t, srv.User().Credentials.AccessKeyID, retrieve(both, name).AccessKeyID)
			if !strings.Contains(name, " #") { // in a value, that begins a comment
				require.Equal(t, "assumerole arn:aws:iam::123456789012:role/r", retrieve(both, "dev").Origin)
			}

			asRole := files{"/home/.aws/config": "[" + header + "]\n" + role + "base\n[profile base]\n" + keys}
			require.Equal(t, "assumerole arn:aws:iam::123456789012:role/r", retrieve(asRole, name).Origin)

			if !strings.Contains(name, "]") { // without any section in the config file
				require.Equal(t, srv.User().Credentials.AccessKeyID, retrieve(files{"/home/.aws/credentials": "[" + name + "]\n" + keys}, name).AccessKeyID)
			}
		})
	}
}

// A profile whose name the AWS SDKs do not take is not listed, unless the CLI quoted it.
func TestListedNames(t *testing.T) {
	files, err := profile.Parse("[profile two words]\na = 1\n[profile 'in quotes']\nb = 1\n[profile x!]\nc = 1\n[profile ü]\nd = 1", "[in quotes]\ne = 1\n[two words]\nf = 1\n[also these]\n")
	require.NoError(t, err)
	require.Equal(t, []string{"in quotes", "ü"}, files.Profiles())
	require.Equal(t, []string{"b", "e"}, files.Profile("in quotes").Keys())
	require.Equal(t, []string{"a", "f"}, files.Profile("two words").Keys())
	require.Equal(t, []string{"c"}, files.Profile("x!").Keys())
}

// What is in the wrong file, or written wrongly, is an error with the file, the line and the right header;
// and that header works.
func TestHintsOfHeaders(t *testing.T) {
	const keys = "\naws_access_key_id = A\naws_secret_access_key = b"
	for _, test := range []struct{ name, config, credentials, want string }{
		{"Blue Team", "[Blue Team]", "", "/home/.aws/config:1 has [Blue Team], which in this file must be [profile 'Blue Team']"},
		{"Blue Team", "", "[profile Blue Team]", "/home/.aws/credentials:1 has [profile Blue Team], which in this file must be [Blue Team]"},
		{"Blue Team", "", "[profile 'Blue Team']", "/home/.aws/credentials:1 has [profile 'Blue Team'], which in this file must be [Blue Team]"},
		{"Blue Team", "", "['Blue Team']", "/home/.aws/credentials:1 has ['Blue Team'], which in this file must be [Blue Team]"},
		{"Ann's", "[Ann's]", "", "/home/.aws/config:1 has [Ann's], which in this file must be [profile Ann's]"},
		{"Ann's old one", "[Ann's old one]", "", `/home/.aws/config:1 has [Ann's old one], which in this file must be [profile 'Ann'"'"'s old one']`},
	} {
		t.Run(test.config+test.credentials, func(t *testing.T) {
			retrieve := func(config, credentials string) error {
				p := &profile.Provider{LookupEnv: env{"HOME": "/home", "AWS_PROFILE": test.name}.lookup, Open: files{"/home/.aws/config": config + keys, "/home/.aws/credentials": credentials + keys}.open}
				if config == "" {
					p.Open = files{"/home/.aws/credentials": credentials + keys}.open
				} else if credentials == "" {
					p.Open = files{"/home/.aws/config": config + keys}.open
				}
				_, err := p.Retrieve(t.Context())
				return err
			}
			err := retrieve(test.config, test.credentials)
			require.ErrorContains(t, err, test.want)
			_, advice, _ := strings.Cut(err.Error(), "must be ")
			if test.config != "" {
				require.NoError(t, retrieve(advice, ""))
			} else {
				require.NoError(t, retrieve("", advice))
			}
		})
	}
}

// FuzzHeader: a name that is written as the AWS CLI writes it is found again.
func FuzzHeader(f *testing.F) {
	for name := range written {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name != strings.TrimSpace(name) || name == "" || name == "default" || !strings.ContainsAny(name, " \t") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
			return
		}
		files, err := profile.Parse("[profile "+profile.Quoted(name)+"] # it is\na = 1", "")
		if err != nil || !files.Profile(name).Exists() {
			t.Fatalf("%s: %v, %v", profile.Quoted(name), files, err)
		}
	})
}
