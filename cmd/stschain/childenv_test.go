package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// TestEnvironment: a command keeps its environment except for what leads an SDK to other credentials.
func TestEnvironment(t *testing.T) {
	base := []string{
		"PATH=/bin", "HOME=/home/ada", "EMPTY=", "ODD", "AWS_REGION=us-east-1", "AWS_CA_BUNDLE=/ca", "AWS_ENDPOINT_URL_S3=https://s3.example",
		"AWS_BEARER_TOKEN_BEDROCK=secret", "AWS_SHARED_CREDENTIALS_FILE=/other",
	}
	for _, name := range slices.Concat(preferred, sources) {
		base = append(base, name+"=other")
	}
	got := environment(base, []variable{
		{"AWS_REGION", stschain.NewSecret("eu-west-1")}, {"AWS_SHARED_CREDENTIALS_FILE", stschain.NewSecret("/empty")},
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI", stschain.NewSecret("http://127.0.0.1:1/")}, {"AWS_ACCOUNT_ID", stschain.Secret{}},
	})
	require.Equal(t, []string{
		"PATH=/bin", "HOME=/home/ada", "EMPTY=", "ODD", "AWS_CA_BUNDLE=/ca", "AWS_ENDPOINT_URL_S3=https://s3.example",
		"AWS_REGION=eu-west-1", "AWS_SHARED_CREDENTIALS_FILE=/empty", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/",
	}, got)
}

const configFile = "\xef\xbb\xbf# comment\r\n" + `[default]
region = us-east-1
aws_access_key_id = AKIADEFAULT
output = text

[profile prod]   ; comment
region = eu-west-1
role_arn = arn:aws:iam::123456789012:role/x
source_profile = default
credential_process = cat
  key
SSO_Session = corp
mfa_serial = x
web_identity_token_file = x
login_session = x
new_way_to_credentials = x
s3 =
    addressing_style = path
    # comment
services = local
use_fips_endpoint = true
Retry_Mode = adaptive
cli_pager =
ca_bundle = /ca.pem
[profile "two words"]
region=eu-north-1
[services local]
s3 =
  endpoint_url = http://localhost:4566
[services other]
s3 =
  endpoint_url = http://other
[sso-session corp]
sso_region = x
region = x
`

// TestSettings: the configuration of a command has the settings of the profile, and nothing that leads to credentials.
func TestSettings(t *testing.T) {
	for profile, want := range map[string]string{
		"default":   "[default]\nregion = us-east-1\noutput = text\n",
		"two words": "[default]\nregion=eu-north-1\n",
		"missing":   "[default]\n",
		"corp":      "[default]\n",
		"prod": `[default]
region = eu-west-1
s3 =
    addressing_style = path
    # comment
services = local
use_fips_endpoint = true
Retry_Mode = adaptive
cli_pager =
ca_bundle = /ca.pem
[services local]
s3 =
  endpoint_url = http://localhost:4566
`,
	} {
		require.Equal(t, want, string(settings([]byte(configFile), profile)), profile)
	}
}

// TestLongSetting: a long value does not end the file.
func TestLongSetting(t *testing.T) {
	text := "[default]\nsso_start_url = " + strings.Repeat("x", 1<<20) + "\nregion = eu-west-1"
	require.Equal(t, "[default]\nregion = eu-west-1\n", string(settings([]byte(text), "default")))
}

// TestReadFile: what is not a file, or larger than it can be, is not read.
func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	_, err := readFile(path, 4)
	require.ErrorIs(t, err, fs.ErrNotExist)
	for content, want := range map[string]bool{"": true, "four": true, "fives": false} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		text, err := readFile(path, 4)
		if !want {
			require.EqualError(t, err, path+" is not a regular file of at most 4 bytes")
			content = ""
		}
		require.Equal(t, content, string(text))
	}
	_, err = readFile(filepath.Dir(path), 4)
	require.ErrorContains(t, err, "is not a regular file")
}

// FuzzSettings: whatever the file is, a command gets none of the keys that lead to credentials.
func FuzzSettings(f *testing.F) {
	f.Add(configFile, "prod")
	f.Add("[default\nregion=x\naws_secret_access_key=y", "default")
	f.Add("[profile a]\n\tregion=x\nregion = y\n role_arn = z", "a")
	f.Add("[default]\nservices = a]\n[x\n[services a]\nrole_arn = z", "default")
	f.Fuzz(func(t *testing.T, text, profile string) {
		eachSetting(settings([]byte(text), profile), func(kind, _, key string, _ []string) {
			if kind == "default" && !isSetting(key) || kind != "default" && kind != "services" {
				t.Fatalf("[%s] %s", kind, key)
			}
		})
		if n := strings.Count(string(settings([]byte(text), profile)), "\n["); n > 1 {
			t.Fatalf("%d more sections", n)
		}
	})
}
