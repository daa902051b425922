package docs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/source/container"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/source/imds"
	"github.com/stschain-go/stschain/source/login"
	"github.com/stschain-go/stschain/source/process"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/source/sso"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/webidentity"
)

const roleARN = "arn:aws:iam::123456789012:role/backup"

// respond is a transport whose responses are all the same.
type respond struct {
	status int
	header http.Header
	body   string
}

func (r respond) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		req.Body.Close()
	}
	return &http.Response{StatusCode: r.status, Header: r.header.Clone(), Body: io.NopCloser(strings.NewReader(r.body)), Request: req}, nil
}

// fail is a transport without a response.
type fail struct{ err error }

func (f fail) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		req.Body.Close()
	}
	return nil, f.err
}

// variables are an environment.
func variables(pairs ...string) func(string) (string, bool) {
	set := map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}
	for i := 0; i < len(pairs); i += 2 {
		set[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) { value, ok := set[name]; return value, ok }
}

// home are the files of a home directory.
func home(pairs ...string) func(string) (fs.File, error) {
	files := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		files[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return func(path string) (fs.File, error) {
		return files.Open(strings.TrimPrefix(filepath.ToSlash(path), "/home/me/"))
	}
}

func retrieve(p stschain.Provider) error {
	_, err := p.Retrieve(context.Background())
	return err
}

// config retrieves from a profile of ~/.aws/config.
func config(name, text string, pairs ...string) error {
	return retrieve(&profile.Provider{Profile: name, Home: "/home/me", LookupEnv: variables(pairs...), Open: home(".aws/config", text)})
}

func identity(i stschain.Identifier) error {
	_, err := i.Identity(context.Background())
	return err
}

// sourceCases make the errors of sources in the tables of texts.
var sourceCases = map[string]func(t *testing.T) error{
	"default, none": func(*testing.T) error {
		return retrieve(&source.Default{Home: "/home/me", LookupEnv: variables(), Open: home()})
	},
	"chain, stopped": func(*testing.T) error {
		return retrieve(stschain.NewChain(&env.Provider{LookupEnv: variables("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")}))
	},
	"chain, none":  func(*testing.T) error { return retrieve(stschain.NewChain(&env.Provider{LookupEnv: variables()})) },
	"chain, empty": func(*testing.T) error { return retrieve(stschain.NewChain()) },
	"chain, pinned": func(*testing.T) error {
		works := true
		chain := stschain.NewChain(stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			if !works {
				return stschain.Credentials{}, stschain.Unavailable("it is gone")
			}
			return stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("SECRET")}, nil
		}))
		if err := retrieve(chain); err != nil {
			return err
		}
		works = false
		return retrieve(chain)
	},
	"chain, identity":   func(*testing.T) error { return identity(stschain.NewChain()) },
	"default, identity": func(*testing.T) error { return identity(&source.Default{}) },
	"cache, expired": func(*testing.T) error {
		return retrieve(&stschain.Cache{Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("SECRET"), Expires: time.Unix(1, 0)}, nil
		})})
	},
	"static, half":        func(*testing.T) error { return retrieve(stschain.Static("AKIDEXAMPLE", "", "")) },
	"static, white space": func(*testing.T) error { return retrieve(stschain.Static("AKIDEXAMPLE", "SECRET\n", "")) },
	"env, half": func(*testing.T) error {
		return retrieve(&env.Provider{LookupEnv: variables("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")})
	},
	"env, expired": func(*testing.T) error {
		return retrieve(&env.Provider{LookupEnv: variables("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY", "SECRET", "AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z")})
	},
	"profile, missing":  func(*testing.T) error { return config("prod", "[default]\nregion = eu-west-1\n") },
	"profile, misspelt": func(*testing.T) error { return config("prdo", "[profile prod]\nregion = eu-west-1\n") },
	"profile, header":   func(*testing.T) error { return config("prod", "[prod]\nregion = eu-west-1\n") },
	"profile, header of the credentials file": func(*testing.T) error {
		return retrieve(&profile.Provider{Profile: "prod", Home: "/home/me", LookupEnv: variables(), Open: home(".aws/credentials", "[profile prod]\naws_access_key_id = A\n")})
	},
	"profile, indented header": func(*testing.T) error { return config("prod", "[default]\nregion =\n  [profile prod]\n") },
	"profile, settings":        func(*testing.T) error { return config("prod", "[profile prod]\nregion = eu-west-1\n") },
	"profile, no file": func(*testing.T) error {
		return config("prod", "", "AWS_SHARED_CREDENTIALS_FILE", "/home/me/none")
	},
	"profile, malformed": func(*testing.T) error { return config("prod", "[profile prod]\nrole_arn\n") },
	"profile, no base":   func(*testing.T) error { return config("prod", "[profile prod]\nrole_arn = "+roleARN+"\n") },
	"profile, no source": func(*testing.T) error {
		return config("prod", "[profile prod]\nrole_arn = "+roleARN+"\nsource_profile = base\n")
	},
	"profile, no region": func(*testing.T) error {
		return config("prod", "[profile prod]\nrole_arn = "+roleARN+"\ncredential_source = Environment\n", "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY", "SECRET")
	},
	"profile, MFA": func(*testing.T) error {
		return config("prod", "[profile prod]\nrole_arn = "+roleARN+"\ncredential_source = Environment\nregion = eu-west-1\nmfa_serial = arn:aws:iam::123456789012:mfa/alice\n")
	},
	"process, missing": func(*testing.T) error {
		return retrieve(&process.Provider{Command: "none", Run: func(context.Context, string) ([]byte, error) { return nil, errors.New("exit status 127") }})
	},
	"process, malformed": func(*testing.T) error {
		return retrieve(&process.Provider{Command: "none", Run: func(context.Context, string) ([]byte, error) { return []byte("hello"), nil }})
	},
	"process, expired": func(*testing.T) error {
		return retrieve(&process.Provider{Command: "none", Run: func(context.Context, string) ([]byte, error) {
			return []byte(`{"Version": 1, "AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "SECRET", "SessionToken": "TOKEN", "Expiration": "2020-01-01T00:00:00Z"}`), nil
		}})
	},
	"container, http": func(*testing.T) error {
		return retrieve(&container.Provider{LookupEnv: variables("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/credentials")})
	},
	"container, refused": func(*testing.T) error {
		return retrieve(&container.Provider{LookupEnv: variables("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/credentials"),
			HTTPClient: &http.Client{Transport: respond{status: http.StatusForbidden, body: `{"code": "AccessDenied", "message": "no role"}`}}})
	},
	"container, none": func(*testing.T) error { return retrieve(&container.Provider{LookupEnv: variables()}) },
	"imds, off":       func(*testing.T) error { return retrieve(&imds.Provider{LookupEnv: variables()}) },
	"imds, nothing": func(*testing.T) error {
		return retrieve(&imds.Provider{LookupEnv: variables("AWS_EC2_METADATA_DISABLED", ""), HTTPClient: &http.Client{Transport: fail{errors.New("connection refused")}}})
	},
	"imds, disabled":  func(*testing.T) error { return metadata(http.StatusForbidden) },
	"imds, version 1": func(*testing.T) error { return metadata(http.StatusUnauthorized) },
	"imds, no role": func(*testing.T) error {
		return retrieve(&imds.Provider{LookupEnv: variables("AWS_EC2_METADATA_DISABLED", ""), HTTPClient: &http.Client{Transport: withoutRole{}}})
	},
	"sso, not signed in": func(*testing.T) error {
		return retrieve(&sso.Provider{Session: "work", Region: "eu-west-1", StartURL: "https://example.awsapps.com/start", AccountID: "123456789012", RoleName: "backup", CacheDir: "/none"})
	},
	"sso, ended": func(*testing.T) error {
		return signedIn(http.StatusUnauthorized, `{"message": "Session token not found or invalid"}`)
	},
	"sso, role": func(*testing.T) error { return signedIn(http.StatusForbidden, `{"message": "No access"}`) },
	"login, not signed in": func(*testing.T) error {
		return retrieve(&login.Provider{Session: "arn:aws:iam::123456789012:user/alice", Region: "eu-west-1", CacheDir: "/none"})
	},
	"webidentity, file": func(*testing.T) error {
		return retrieve(&webidentity.Provider{Client: &stsquery.Client{Region: "eu-west-1"}, RoleARN: roleARN, Token: webidentity.TokenFile("/none")})
	},
	"webidentity, region": func(*testing.T) error {
		return retrieve(&webidentity.FromEnv{LookupEnv: variables("AWS_WEB_IDENTITY_TOKEN_FILE", "/token", "AWS_ROLE_ARN", roleARN)})
	},
	"webidentity, role alone": func(*testing.T) error {
		return retrieve(&webidentity.FromEnv{LookupEnv: variables("AWS_ROLE_ARN", roleARN, "AWS_REGION", "eu-west-1")})
	},
	"webidentity, role": func(*testing.T) error {
		return retrieve(&webidentity.FromEnv{LookupEnv: variables("AWS_WEB_IDENTITY_TOKEN_FILE", "/token", "AWS_REGION", "eu-west-1")})
	},
}

// withoutRole is the metadata service of an instance without a role.
type withoutRole struct{}

func (withoutRole) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPut {
		return respond{status: http.StatusOK, header: http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"21600"}}, body: "token"}.RoundTrip(req)
	}
	return respond{status: http.StatusNotFound}.RoundTrip(req)
}

// metadata calls a metadata service that refuses everything but a session token; version 1 is another refusal.
func metadata(status int) error {
	return retrieve(&imds.Provider{LookupEnv: variables("AWS_EC2_METADATA_DISABLED", ""), HTTPClient: &http.Client{Transport: respond{status: status}}})
}

// signedIn calls the portal of IAM Identity Center, whose response this is, with a token that is valid.
func signedIn(status int, body string) error {
	token := fmt.Sprintf(`{"startUrl": "https://example.awsapps.com/start", "region": "eu-west-1", "accessToken": "aoaAAAAA4711", "expiresAt": %q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	return retrieve(&sso.Provider{
		StartURL: "https://example.awsapps.com/start", Region: "eu-west-1", AccountID: "123456789012", RoleName: "backup", Profile: "dev", CacheDir: "/home/me",
		Open: func(string) (fs.File, error) { return fstest.MapFS{"t": {Data: []byte(token)}}.Open("t") }, MaxAttempts: 1,
		HTTPClient: &http.Client{Transport: respond{status: status, body: body}},
	})
}
