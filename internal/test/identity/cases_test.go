package identity_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing/fstest"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/federation"
	"github.com/stschain-go/stschain/grants/accessgrants"
	"github.com/stschain-go/stschain/grants/s3express"
	"github.com/stschain-go/stschain/minio"
	"github.com/stschain-go/stschain/saml"
	"github.com/stschain-go/stschain/sessiontoken"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/source/iot"
	"github.com/stschain-go/stschain/source/login"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/source/rolesanywhere"
	"github.com/stschain-go/stschain/source/sso"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/webidentity"
)

const (
	role      = "arn:aws:iam::123456789012:role/backup"
	minioRole = "arn:minio:iam:::role/idmp-a"
	otherRole = "arn:aws:iam::123456789012:role/audit"
	secret    = "canary-4711-secret"
)

type fields = map[string]any // another value of each field

// kind is a type whose fields decide an identity.
type kind struct {
	value    func() any                      // a new one, as a pointer
	provider func(v any) stschain.Identifier // that uses it; nil: it is one
	in, out  fields                          // those that count, and those that do not
}

var (
	keys      = stschain.Static("AKIDEXAMPLE", secret, "")
	otherKeys = stschain.Static("AKIDEXAMPLE", secret+"2", "")
	offline   = &http.Client{Transport: refuse{}}
	other     = &http.Client{Transport: refuse{}, Timeout: time.Minute}
)

type refuse struct{}

func (refuse) RoundTrip(*http.Request) (*http.Response, error) {
	panic("Identity must not call a server")
}

type clock struct{}

func (clock) Now() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func newClient() *stsquery.Client {
	return &stsquery.Client{Credentials: keys, Region: "eu-west-1", HTTPClient: offline}
}

func elsewhere() *stsquery.Client { return &stsquery.Client{Credentials: keys, Region: "eu-west-2"} }

func prompt(context.Context, string) (stschain.Secret, error) { panic("Identity must not prompt") }

func returns(s string) func(context.Context) (stschain.Secret, error) {
	return func(context.Context) (stschain.Secret, error) { return stschain.NewSecret(s), nil }
}

// jwt returns a token with pairs of a claim and its value.
func jwt(issuer, subject, audience, id string, others ...string) string {
	claims := map[string]string{"iss": issuer, "sub": subject, "aud": audience, "jti": id}
	for i := 0; i < len(others); i += 2 {
		claims[others[i]] = others[i+1]
	}
	payload, _ := json.Marshal(claims)
	return "e30." + base64.RawURLEncoding.EncodeToString(payload) + "." + base64.RawURLEncoding.EncodeToString([]byte(secret))
}

func assertion(subject string) string {
	return base64.StdEncoding.EncodeToString([]byte(`<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"><Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion"><Subject><NameID>` + subject + `</NameID></Subject></Assertion></p:Response>`))
}

// lookup is an environment.
func lookup(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

// opens returns the same content for each path but credentials.
func opens(content string) func(string) (fs.File, error) {
	return func(path string) (fs.File, error) {
		if strings.HasSuffix(path, "credentials") {
			return nil, fs.ErrNotExist
		}
		return fstest.MapFS{"f": {Data: []byte(content)}}.Open("f")
	}
}

func signedIn(user string) string {
	return `{"region": "eu-west-1", "accessToken": "` + secret + user + `", "expiresAt": "2099-01-01T00:00:00Z"}`
}

func loggedIn(id string) string {
	return `{"accessToken": {"accessKeyId": "` + id + `", "secretAccessKey": "` + secret + `", "sessionToken": "t", "accountId": "123456789012", "expiresAt": "2099-01-01T00:00:00Z"}}`
}

func configOf(role string) string {
	text := "role_arn = " + role + "\nrole_session_name = nightly\ncredential_source = Environment\n"
	return "[default]\n" + text + "[profile dev]\n" + text
}

// certificate returns a file of internal/keypair.
func certificate(name string) string {
	content, err := os.ReadFile(filepath.Join("..", "..", "keypair", "testdata", name))
	if err != nil {
		panic(err)
	}
	return string(content)
}

func issued(name string) func(context.Context) ([]*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(certificate(name)))
	return func(context.Context) ([]*x509.Certificate, error) { return x509.ParseCertificates(block.Bytes) }
}

func anywhere(resource string) string {
	return "arn:aws:rolesanywhere:eu-west-1:123456789012:" + resource
}

// pair returns a certificate and its key in one file.
func pair(name string) string {
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "minio", "testdata", name))
	if err != nil {
		panic(err)
	}
	return string(content)
}

func newMinIO() *stsquery.Client {
	return &stsquery.Client{Endpoint: "https://minio.example", HTTPClient: offline}
}

// runner is the agent of a GitHub Actions job, whose tokens are for the audience that a request names.
type runner struct{ subject string }

func (r runner) RoundTrip(req *http.Request) (*http.Response, error) {
	token := jwt("https://token.actions.githubusercontent.com", r.subject, req.URL.Query().Get("audience"), time.Now().String())
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"value": "` + token + `"}`)), Request: req}, nil
}

func eks(role string) func(string) (string, bool) {
	return lookup("AWS_WEB_IDENTITY_TOKEN_FILE", "/token", "AWS_ROLE_ARN", role, "AWS_ROLE_SESSION_NAME", "nightly", "AWS_REGION", "eu-west-1")
}

func job(token string) func(string) (string, bool) {
	return lookup("ACTIONS_ID_TOKEN_REQUEST_URL", "https://runner.example/x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", token)
}

func environment(id, endpoint string) func(string) (string, bool) {
	return lookup("AWS_ACCESS_KEY_ID", id, "AWS_SECRET_ACCESS_KEY", secret, "AWS_ENDPOINT_URL_STS", endpoint)
}

var kinds = map[string]kind{
	"assumerole.Provider": {
		value: func() any { return &assumerole.Provider{Client: newClient(), RoleARN: role, SessionName: "nightly"} },
		in: fields{
			"Client": elsewhere(), "RoleARN": otherRole, "SessionName": "daily", "Duration": 2 * time.Hour, "ExternalID": "x",
			"Policy": "{}", "PolicyARNs": []string{"arn:p"}, "Tags": []stsquery.Tag{{Key: "k", Value: "v"}}, "TransitiveTagKeys": []string{"k"},
			"SourceIdentity": "ada", "SerialNumber": "arn:mfa", "MinimumSessionTokenSize": 1,
			"ProvidedContexts": []stsquery.ProvidedContext{{ProviderARN: "arn:c", Assertion: stschain.NewSecret(secret)}},
		},
		out: fields{"MFAToken": prompt},
	},
	"sessiontoken.Provider": {
		value: func() any { return &sessiontoken.Provider{Client: newClient()} },
		in:    fields{"Client": elsewhere(), "Duration": time.Hour, "SerialNumber": "arn:mfa", "MinimumSessionTokenSize": 1},
		out:   fields{"MFAToken": prompt},
	},
	"federation.Provider": {
		value: func() any { return &federation.Provider{Client: newClient(), Name: "bob"} },
		in: fields{
			"Client": elsewhere(), "Name": "eve", "Policy": "{}", "PolicyARNs": []string{"arn:p"}, "Duration": time.Hour,
			"Tags": []stsquery.Tag{{Key: "k", Value: "v"}}, "MinimumSessionTokenSize": 1,
		},
	},
	"webidentity.Provider": {
		value: func() any {
			return &webidentity.Provider{Client: newClient(), RoleARN: role, SessionName: "nightly", Token: returns(secret)}
		},
		in: fields{
			"Client": elsewhere(), "RoleARN": otherRole, "SessionName": "daily", "Duration": 2 * time.Hour, "Token": returns(secret + "2"),
			"ProviderID": "www.amazon.com", "Policy": "{}", "PolicyARNs": []string{"arn:p"}, "MinimumSessionTokenSize": 1,
		},
	},
	"webidentity.FromEnv": {
		value: func() any {
			return &webidentity.FromEnv{LookupEnv: eks(role), Open: opens(jwt("https://idp", "app", "sts", "1"))}
		},
		in: fields{
			"LookupEnv": eks(otherRole), "Open": opens(jwt("https://idp", "other", "sts", "1")), "Duration": 2 * time.Hour,
			"Client": func(string) *stsquery.Client { return elsewhere() },
		},
	},
	"webidentity.GitHubActions": {
		value: func() any {
			return &webidentity.GitHubActions{LookupEnv: job("a"), HTTPClient: &http.Client{Transport: runner{"repo:a"}}}
		},
		provider: func(v any) stschain.Identifier {
			return &webidentity.Provider{Client: newClient(), RoleARN: role, SessionName: "nightly", Token: v.(*webidentity.GitHubActions).Token}
		},
		in:  fields{"Audience": "other"},
		out: fields{"LookupEnv": job("b"), "HTTPClient": &http.Client{Transport: runner{"repo:a"}, Timeout: time.Minute}},
	},
	"saml.Provider": {
		value: func() any {
			return &saml.Provider{Client: newClient(), RoleARN: role, Assertion: returns(assertion("ada"))}
		},
		in: fields{
			"Client": elsewhere(), "RoleARN": otherRole, "PrincipalARN": "arn:aws:iam::123456789012:saml-provider/p", "Assertion": returns(assertion("bob")),
			"Duration": 2 * time.Hour, "Policy": "{}", "PolicyARNs": []string{"arn:p"}, "MinimumSessionTokenSize": 1,
		},
	},
	"stsquery.Client": {
		value:    func() any { return newClient() },
		provider: func(v any) stschain.Identifier { return &sessiontoken.Provider{Client: v.(*stsquery.Client)} },
		in: fields{
			"Credentials": otherKeys, "Region": "eu-west-2", "Endpoint": "https://sts.example:8443/path?query", "FIPS": true, "DualStack": true,
			"Global": true, "SigningRegion": "us-east-2", "SigningName": "other",
			"SigningRegionSet": sigv4.Regions("us-east-2", "eu-*"),
		},
		out: fields{
			"AllowHTTP": true, "HTTPClient": other, "AttemptTimeout": time.Second, "Retry": stsquery.Retry{MaxAttempts: 1}, "Clock": clock{},
			"DisableClockSkewCorrection": true, "FallbackRegions": []string{"eu-central-1"},
		},
	},
	"stsquery.Tag": {
		value: func() any { return &stsquery.Tag{Key: "k", Value: "v"} },
		provider: func(v any) stschain.Identifier {
			return &federation.Provider{Client: newClient(), Tags: []stsquery.Tag{*v.(*stsquery.Tag)}}
		},
		in: fields{"Key": "other", "Value": "other"},
	},
	"stsquery.ProvidedContext": {
		value: func() any {
			return &stsquery.ProvidedContext{ProviderARN: "arn:a", Assertion: stschain.NewSecret(secret)}
		},
		provider: func(v any) stschain.Identifier {
			return &assumerole.Provider{Client: newClient(), SessionName: "nightly", ProvidedContexts: []stsquery.ProvidedContext{*v.(*stsquery.ProvidedContext)}}
		},
		in: fields{"ProviderARN": "arn:b", "Assertion": stschain.NewSecret(secret + "2")},
	},
	"shared.Provider": {
		value: func() any { return &shared.Provider{Provider: keys} },
		in:    fields{"Provider": otherKeys},
		out: fields{
			"Store": &storetest.Memory{}, "Keys": []stschain.Secret{stschain.NewSecret(secret)}, "NamingKey": stschain.NewSecret(secret), "Account": "210987654321",
			"Lease": time.Second, "Wait": time.Second, "OpTimeout": time.Second, "Spread": time.Second, "OnEvent": func(shared.Event) {}, "Clock": clock{},
		},
	},
	"env.Provider": {
		value: func() any { return &env.Provider{LookupEnv: environment("AKIA", "")} },
		in:    fields{"LookupEnv": environment("AKIB", "")},
		out:   fields{"Clock": clock{}},
	},
	"sso.Provider": {
		value: func() any {
			return &sso.Provider{
				Session: "work", StartURL: "https://a.example/start", Region: "eu-west-1", AccountID: "123456789012", RoleName: "dev",
				CacheDir: "/x", Open: opens(signedIn("ada")), HTTPClient: offline,
			}
		},
		in: fields{
			"StartURL": "https://b.example/start", "Region": "eu-west-2", "AccountID": "210987654321", "RoleName": "admin",
			"PortalEndpoint": "https://portal.example", "FIPS": true, "DualStack": true, "Open": opens(signedIn("bob")),
		},
		out: fields{
			"Session": "home", "Profile": "dev", "OIDCEndpoint": "https://oidc.example", "AllowHTTP": true, "MaxAttempts": 1,
			"DisableClockSkewCorrection": true, "CacheDir": "/y", "HTTPClient": other, "Clock": clock{},
		},
	},
	"login.Provider": {
		value: func() any {
			return &login.Provider{
				Session: "arn:aws:iam::123456789012:user/ada", Region: "eu-west-1", CacheDir: "/x", LookupEnv: lookup(), Open: opens(loggedIn("ASIA1")), HTTPClient: offline,
			}
		},
		in: fields{
			"Session": "arn:aws:iam::123456789012:user/bob", "Region": "eu-west-2", "Endpoint": "https://signin.example", "FIPS": true, "DualStack": true,
		},
		out: fields{
			"Profile": "dev", "AllowHTTP": true, "MaxAttempts": 1, "DisableClockSkewCorrection": true, "CacheDir": "/y", "Home": "/z",
			"LookupEnv": lookup("HOME", "/z"), "Open": opens(loggedIn("ASIA2")), "HTTPClient": other, "Clock": clock{},
		},
	},
	"rolesanywhere.Provider": {
		value: func() any {
			return &rolesanywhere.Provider{
				TrustAnchorARN: anywhere("trust-anchor/a"), ProfileARN: anywhere("profile/a"), RoleARN: role,
				CertificateFile: "/x", Password: returns(secret), Open: opens(certificate("sha1.pem")), HTTPClient: offline,
			}
		},
		in: fields{
			"TrustAnchorARN": anywhere("trust-anchor/b"), "ProfileARN": anywhere("profile/b"), "RoleARN": otherRole, "Duration": 2 * time.Hour, "SessionName": "nightly",
			"Certificates": issued("version1.pem"), "Open": opens(certificate("version1.pem")), "Endpoint": "https://anywhere.example", "FIPS": true, "DualStack": true,
		},
		out: fields{
			"CertificateFile": "/y", "ChainFile": "/y", "KeyFile": "/y", "AllowHTTP": true, "MaxAttempts": 1, "DisableClockSkewCorrection": true, "HTTPClient": other, "Clock": clock{},
			"Password": func(context.Context) (stschain.Secret, error) { panic("Identity must not prompt") },
			"Signer":   func(context.Context) (crypto.Signer, error) { panic("Identity must not prompt") },
		},
	},
	"minio.Certificate": {
		value: func() any {
			return &minio.Certificate{Client: newMinIO(), CertificateFile: "/x", KeyFile: "/x", Open: opens(pair("a.pem"))}
		},
		in: fields{
			"Client": &stsquery.Client{Endpoint: "https://minio2.example"}, "Duration": 2 * time.Hour, "TokenRevokeType": "x", "Open": opens(pair("b.pem")),
			"Certificate": func(context.Context) (tls.Certificate, error) {
				return tls.X509KeyPair([]byte(pair("b.pem")), []byte(pair("b.pem")))
			},
		},
		out: fields{"CertificateFile": "/y", "KeyFile": "/y"},
	},
	"minio.CustomToken": {
		value: func() any { return &minio.CustomToken{Client: newMinIO(), RoleARN: minioRole, Token: returns(secret)} },
		in: fields{
			"Client": &stsquery.Client{Endpoint: "https://minio2.example"}, "RoleARN": minioRole + "2", "Token": returns(secret + "2"), "Duration": 2 * time.Hour, "TokenRevokeType": "x",
		},
	},
	"minio.LDAP": {
		value: func() any { return &minio.LDAP{Client: newMinIO(), Username: "ada", Password: returns(secret)} },
		in: fields{
			"Client": &stsquery.Client{Endpoint: "https://minio2.example"}, "Username": "bob", "Password": returns(secret + "2"), "Policy": `{"Version":"2012-10-17"}`, "Duration": 2 * time.Hour,
			"TokenRevokeType": "x", "ConfigName": "corp",
		},
	},
	"iot.Provider": {
		value: func() any {
			return &iot.Provider{
				Endpoint: "a.credentials.iot.eu-west-1.amazonaws.com", RoleAlias: "a", CertificateFile: "/x", Password: returns(secret), Open: opens(certificate("sha1.pem")), HTTPClient: offline,
			}
		},
		in: fields{
			"Endpoint": "b.credentials.iot.eu-west-1.amazonaws.com", "RoleAlias": "b", "ThingName": "b",
			"Certificates": issued("version1.pem"), "Open": opens(certificate("version1.pem")),
		},
		out: fields{
			"CertificateFile": "/y", "ChainFile": "/y", "KeyFile": "/y", "MaxAttempts": 1, "DisableClockSkewCorrection": true, "HTTPClient": other, "Clock": clock{},
			"Password": func(context.Context) (stschain.Secret, error) { panic("Identity must not prompt") },
			"Signer":   func(context.Context) (crypto.Signer, error) { panic("Identity must not prompt") },
		},
	},
	"s3express.Provider": {
		value: func() any {
			return &s3express.Provider{Credentials: keys, Bucket: "a--usw2-az1--x-s3", Region: "us-west-2", HTTPClient: offline}
		},
		in: fields{
			"Credentials": otherKeys, "Bucket": "b--usw2-az1--x-s3", "Region": "us-east-1", "Mode": s3express.ReadOnly, "ServerSideEncryption": "aws:kms", "KMSKeyID": "arn:k",
			"EncryptionContext": "e30=", "BucketKeyEnabled": true, "Endpoint": "https://s3.example", "FIPS": true, "DualStack": true,
		},
		out: fields{"AllowHTTP": true, "MaxAttempts": 1, "HTTPClient": other, "Clock": clock{}},
	},
	"accessgrants.Provider": {
		value: func() any {
			return &accessgrants.Provider{Credentials: keys, Account: "123456789012", Region: "eu-west-1", Target: "s3://b/a*", Permission: accessgrants.Read, HTTPClient: offline}
		},
		in: fields{
			"Credentials": otherKeys, "Account": "210987654321", "Region": "eu-west-2", "Target": "s3://b/b*", "Permission": accessgrants.Write, "Privilege": accessgrants.Minimal,
			"Duration": 2 * time.Hour, "AuditContext": "ticket", "Endpoint": "https://control.example", "FIPS": true, "DualStack": true,
		},
		out: fields{"AllowHTTP": true, "MaxAttempts": 1, "HTTPClient": other, "Clock": clock{}},
	},
	"profile.Provider": {
		value: func() any {
			return &profile.Provider{Region: "eu-west-1", LookupEnv: environment("AKIA", "https://sts.example"), Home: "/x", Open: opens(configOf(role)), HTTPClient: offline}
		},
		in: fields{
			"Region": "eu-west-2", "Endpoint": "https://other.example", "IgnoreConfiguredEndpoints": true,
			"LookupEnv": environment("AKIB", "https://sts.example"), "Open": opens(configOf(otherRole)),
		},
		out: fields{
			"Profile": "dev", "AllowHTTP": true, "MFAToken": prompt, "WrapRole": func(role stschain.Provider) stschain.Provider { return role }, "Home": "/y", "HTTPClient": other, "Clock": clock{},
			"FallbackRegions": []string{"eu-central-1"}, "Run": func(context.Context, string) ([]byte, error) { return nil, nil },
		},
	},
}
