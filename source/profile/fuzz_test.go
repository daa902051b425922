package profile_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
)

// FuzzRetrieve: whatever the files say, planning ends and is bounded, the same files mean the same
// again, what is wrong is permanent or absent and shows no secret; and no secret is sent anywhere.
func FuzzRetrieve(f *testing.F) {
	const keys = "aws_access_key_id = AKID\naws_secret_access_key = " + secret + "\n"
	const role = "role_arn = arn:aws:iam::123456789012:role/r\n"
	for _, config := range []string{
		"[default]\n" + keys, "[default]\n" + role + "source_profile = q\nduration_seconds = 900\n[profile q]\n" + keys,
		"[default]\n" + role + "source_profile = default\n" + keys, "[default]\n" + role + "credential_source = Ec2InstanceMetadata\nec2_metadata_service_endpoint = http://[::1]/",
		"[default]\n" + role + "web_identity_token_file = /token", "[default]\ncredential_process = helper '" + secret + "'",
		"[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nsso_region = eu-west-1\nsso_start_url = x",
		"[default]\nlogin_session = arn", "[default]\nservices = s\n" + role + "credential_source = Environment\n[services s]\nsts =\n  endpoint_url = https://user:" + secret + "@h",
		"[default]\n" + role + "source_profile = q\n[profile q]\n" + role + "source_profile = default", "[default]\nca_bundle = /token\nmax_attempts = 1\nretry_mode = legacy\n" + role + "source_profile = default\n" + keys,
	} {
		f.Add(config, "", "default")
		f.Add("", strings.Replace(config, "[profile ", "[", 1), "")
	}
	f.Add("", "[profile default]\n[profile  default]\n", "default")
	f.Add("[default]\n"+role+"source_profile = q\n[profile q]\ncredential_process = '"+secret+"'", "", "default")
	f.Fuzz(func(t *testing.T, config, credentials, name string) {
		provider := func() *profile.Provider {
			return &profile.Provider{
				Profile: name, LookupEnv: env{"HOME": "/home", "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": secret}.lookup,
				Open: files{"/home/.aws/config": config, "/home/.aws/credentials": credentials, "/token": "a.b.c"}.open,
				Run:  func(context.Context, string) ([]byte, error) { return nil, errors.New("exit status 1") },
				HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					body, err := io.ReadAll(r.Body)
					if err != nil || r.URL.User != nil || strings.Contains(r.URL.Host+string(body), secret) { // an endpoint's path is kept
						t.Errorf("%s is sent %s", r.URL, body)
					}
					return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
				})},
			}
		}
		p := provider()
		steps, err := p.Steps(t.Context())
		_, again := provider().Steps(t.Context())
		switch {
		case (err == nil) != (again == nil) || err != nil && err.Error() != again.Error():
			t.Fatalf("%v, and then %v", err, again)
		case len(steps) > 40:
			t.Fatalf("%d steps", len(steps))
		case err == nil && len(steps) == 0:
			t.Fatal("there is nothing to do, and no error")
		case err != nil && !errors.Is(err, stschain.ErrPermanent) && !stschain.IsUnavailable(err):
			t.Fatalf("%v is neither permanent nor absent", err)
		case err != nil && stschain.IsUnavailable(err) && name != "":
			t.Fatalf("%v of a selected profile", err)
		}
		if err == nil && len(steps) == 1 && steps[0]["AccessKey"] == nil {
			// What would call an agent, which has its own fuzz targets, and takes time.
			return
		}
		creds, err := p.Retrieve(t.Context())
		if err == nil {
			if creds.AccessKeyID == "" || creds.SecretAccessKey.IsZero() {
				t.Fatalf("%+v", creds)
			}
			return
		}
		if text := err.Error(); strings.Contains(text, secret) && !named(p, secret) || !strings.HasPrefix(text, "profile") {
			t.Fatalf("%q", text)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// named reports whether the text stands where only names do, which errors show.
func named(p *profile.Provider, text string) bool {
	files, err := p.Files(context.Background())
	if err != nil {
		return false
	}
	for _, name := range files.Profiles() {
		for _, key := range files.Profile(name).Keys() {
			public := key != "aws_secret_access_key" && key != "aws_session_token" && key != "credential_process" && key != "endpoint_url"
			if strings.Contains(name, text) || public && strings.Contains(files.Profile(name).Value(key).Reveal(), text) {
				return true
			}
		}
	}
	return false
}

// FuzzLocation: the files are where the environment says, under the home directory or named, and
// a tilde is that directory and nothing else.
func FuzzLocation(f *testing.F) {
	f.Add("/home/ada", "~/x", "linux")
	f.Add(`C:\Users\ada\`, `~\x`, "windows")
	f.Add("/", "~ada/x", "darwin")
	f.Add("", "", "linux")
	f.Fuzz(func(t *testing.T, home, file, goos string) {
		p := &profile.Provider{LookupEnv: env{"HOME": home, "AWS_CONFIG_FILE": file}.lookup}
		config, credentials := p.Locate(goos)
		home, file = strings.TrimSpace(home), strings.TrimSpace(file)
		separator := "/"
		if goos == "windows" {
			separator = `\`
		}
		if (home == "") != (credentials == "") || home != "" && credentials != strings.TrimRight(home, separator)+separator+".aws"+separator+"credentials" {
			t.Fatalf("at home in %q the credentials are in %q", home, credentials)
		}
		switch rest, tilde := strings.CutPrefix(file, "~"); {
		case file == "":
			if home != "" && (!strings.HasPrefix(config, strings.TrimRight(home, separator)) || path.Base(strings.ReplaceAll(config, `\`, "/")) != "config") {
				t.Fatalf("at home in %q the config is in %q", home, config)
			}
		case tilde && home != "" && (rest == "" || rest[0] == '/' || strings.HasPrefix(rest, separator)):
			if config != home+rest {
				t.Fatalf("%q is %q", file, config)
			}
		case config != file:
			t.Fatalf("%q is %q", file, config)
		}
	})
}
