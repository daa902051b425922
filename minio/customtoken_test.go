package minio_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/minio"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// respond is a client whose server always returns the same response.
func respond(status int, body string) *http.Client {
	return &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		rec.WriteHeader(status)
		rec.WriteString(body)
		return rec.Result(), nil
	})}
}

func TestCustomToken(t *testing.T) {
	w := newWorld(t)
	p := w.customToken()
	p.Duration, p.TokenRevokeType, p.Token = time.Minute, "nightly", returns(" "+token+"\n")
	session, err := p.AssumeRoleWithCustomToken(t.Context())
	require.NoError(t, err)
	require.Equal(t, "custom:bob", session.AssumedUser)
	require.Equal(t, "minio customtoken "+roleARN, session.Credentials.Origin)
	require.Equal(t, noon.Add(time.Minute), session.Credentials.Expires)
	require.Equal(t, "nightly", w.server.Calls()[0].Form.Get("TokenRevokeType"))
}

// TestTokenForEachAttempt: a token that rotates is read again, and the query has one.
func TestTokenForEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.server.FailNext(ststest.Throttle())
		p := w.customToken()
		var sent []string
		base := w.server.Client().Transport
		p.Client.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r.URL.Query()["Token"]...)
			require.Empty(t, r.Header.Get("Content-Type"))
			require.Zero(t, r.ContentLength)
			return base.RoundTrip(r)
		})}
		list := []string{"first", token}
		p.Token = func(context.Context) (stschain.Secret, error) {
			next := list[0]
			list = list[1:]
			return stschain.NewSecret(next), nil
		}
		_, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"first", token}, sent)
	})
}

// TestTokenRefused: what cannot work is not sent.
func TestTokenRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*minio.CustomToken)
		want   string
	}{
		"client":     {func(p *minio.CustomToken) { p.Client = nil }, "Client is missing"},
		"plain http": {func(p *minio.CustomToken) { p.Client.Endpoint = "http://minio.example" }, "is plain http"},
		"role":       {func(p *minio.CustomToken) { p.RoleARN = "" }, "minio customtoken: RoleARN is missing"},
		"other role": {func(p *minio.CustomToken) { p.RoleARN = "arn:aws:iam::123456789012:role/r" }, `RoleARN is "arn:aws:iam::123456789012:role/r", and that of an identity plug-in begins with arn:minio:iam:::role/idmp-`},
		"token":      {func(p *minio.CustomToken) { p.Token = nil }, "Token is missing"},
		"empty":      {func(p *minio.CustomToken) { p.Token = returns(" \n") }, "no token: Token returned an empty one"},
		"control":    {func(p *minio.CustomToken) { p.Token = returns(token + "\x00x") }, "Token is a secret, with control characters"},
		"unavailable": {func(p *minio.CustomToken) {
			p.Token = func(context.Context) (stschain.Secret, error) {
				return stschain.Secret{}, stschain.Unavailable("no file")
			}
		}, "no token: no file"},
		"short": {func(p *minio.CustomToken) { p.Duration = time.Millisecond }, "Duration is 1ms, and 1s to 8760h0m0s are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.customToken()
			test.change(p)
			_, err := p.Retrieve(t.Context())
			require.ErrorContains(t, err, test.want)
			require.False(t, stschain.IsUnavailable(err))
			require.Empty(t, w.server.Calls())
		})
	}
	w := newWorld(t)
	p := w.customToken()
	p.Client.Retry.MaxAttempts, p.Token = 1, returns("other")
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "InternalError: the plug-in does not know the token")
	require.ErrorContains(t, err, "MinIO returns this also if the plug-in rejects the token")
}

// TestServerErrors: the errors of MinIO say what to do.
func TestServerErrors(t *testing.T) {
	for _, test := range []struct {
		status        int
		code, message string
		want          string
		permanent     bool
	}{
		{503, "STSNotInitialized", "STS API 'AssumeRoleWithCustomToken' is disabled", "MINIO_IDENTITY_PLUGIN_URL", false},
		{503, "STSIAMNotInitialized", "", "MinIO is starting", false},
		{400, "InvalidParameterValue", "Error processing parameter RoleArn: Role does not exist", "RoleARN must be the ARN that MinIO logs when it starts", true},
		{400, "InvalidParameterValue", "None of the given policies (`x`) are defined", "MINIO_IDENTITY_PLUGIN_ROLE_POLICY", false},
		{500, "InternalError", "unknown token", "if the plug-in rejects the token", false},
		{400, "MissingParameter", "", "check the fields", true},
		{400, "InsecureConnection", "", "a proxy that terminates TLS", true},
		{400, "TooManyIntermediateCAs", "", "without the root", true},
		{403, "AccessDenied", "", "AccessDenied", true},
	} {
		p := newWorld(t).customToken()
		p.Client.Retry.MaxAttempts = 1
		p.Client.HTTPClient = respond(test.status, "<ErrorResponse><Error><Code>"+test.code+"</Code><Message>"+test.message+"</Message></Error></ErrorResponse>")
		_, err := p.Retrieve(t.Context())
		require.ErrorContains(t, err, test.code)
		require.ErrorContains(t, err, test.want)
		require.Equal(t, test.permanent, errors.Is(err, stschain.ErrPermanent), test.code)
	}
}

// TestSettings: the client that puts the parameters into the query has every setting of the user's.
func TestSettings(t *testing.T) {
	given := &stsquery.Client{Endpoint: "https://minio.example/?x=y", Region: "eu-west-1"}
	kind := reflect.TypeFor[stsquery.Client]()
	own := minio.Derive(t, given)
	for i := range kind.NumField() {
		switch f := kind.Field(i); {
		case !f.IsExported() || f.Name == "HTTPClient":
		case f.Name == "Credentials" || f.Name == "SigningRegionSet": // nothing is signed
		default:
			value := reflect.ValueOf(given).Elem().Field(i)
			other := reflect.New(f.Type).Elem()
			switch f.Type.Kind() {
			case reflect.Bool:
				other.SetBool(true)
			case reflect.String:
				other.SetString("https://other.example")
			case reflect.Int64:
				other.SetInt(7)
			case reflect.Slice:
				other.Set(reflect.MakeSlice(f.Type, 1, 1))
			case reflect.Interface:
				other.Set(reflect.ValueOf(newWorld(t).clock))
			case reflect.Struct:
				other.Field(1).SetInt(7) // Retry.MaxAttempts
			default:
				t.Fatalf("set Client.%s here", f.Name)
			}
			require.Equal(t, value.Interface(), reflect.ValueOf(own).Elem().Field(i).Interface(), f.Name)
			before := reflect.ValueOf(value.Interface())
			value.Set(other)
			changed := minio.Derive(t, given)
			require.Equal(t, other.Interface(), reflect.ValueOf(changed).Elem().Field(i).Interface(), "client does not copy %s", f.Name)
			if before.IsValid() {
				value.Set(before)
			} else {
				value.SetZero()
			}
		}
	}
}

// TestQuery: the query of the Endpoint stays, and the body is closed.
func TestQuery(t *testing.T) {
	var got *http.Request
	transport := minio.InQuery(roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r
		return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: errors.New("refused")}
	}))
	for endpoint, want := range map[string]string{"https://minio.example/": "a=b", "https://minio.example/?x=y": "x=y&a=b"} {
		body := &closing{Reader: strings.NewReader("a=b")}
		req, err := http.NewRequest(http.MethodPost, endpoint, body)
		require.NoError(t, err)
		_, err = transport.RoundTrip(req)
		require.EqualError(t, err, "refused")
		require.Equal(t, want, got.URL.RawQuery)
		require.Equal(t, endpoint, req.URL.String(), "the request of the caller is not changed")
		require.True(t, body.closed)
	}
	broken := &closing{Reader: io.MultiReader(strings.NewReader("a"), errorReader{})}
	req, err := http.NewRequest(http.MethodPost, "https://minio.example/", broken)
	require.NoError(t, err)
	_, err = transport.RoundTrip(req)
	require.EqualError(t, err, "broken")
	require.True(t, broken.closed)
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

// TestResponses: a response without complete credentials is an error of each flow, and none shows a secret.
func TestResponses(t *testing.T) {
	const keys = `<Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>`
	for name, test := range map[string]struct {
		status     int
		body, want string
	}{
		"error with 200": {200, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`, "AccessDenied"},
		"S3 error":       {403, `<Error><Code>AccessDenied</Code><Message/></Error>`, "403 Forbidden: AccessDenied"},
		"HTML":           {200, `<!DOCTYPE html><html><body>login</body></html>`, "DTD"},
		"text":           {502, "ECHO", "502 Bad Gateway"},
		"empty":          {200, "", "response is empty"},
		"no expiry":      {200, `<OPResponse><OPResult>` + keys + `</Credentials></OPResult></OPResponse>`, "Expiration of the response is missing"},
		"expiry of zero": {200, `<OPResponse><OPResult>` + keys + `<Expiration>0001-01-01T00:00:00Z</Expiration></Credentials></OPResult></OPResponse>`, "Expiration of the response is missing"},
		"no credentials": {200, `<OPResponse><OPResult/></OPResponse>`, "response has no AccessKeyId"},
		"echo":           {400, `<ErrorResponse><Error><Code>InvalidParameterValue</Code><Message>you sent ECHO</Message></Error></ErrorResponse>`, "a message that is not shown"},
		"namespace":      {200, `<x:OPResponse xmlns:x="urn:other"><x:OPResult>` + keys + `<Expiration>2026-12-01T13:00:00.123Z</Expiration></Credentials></x:OPResult></x:OPResponse>`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for operation, secret := range map[string]string{"AssumeRoleWithLDAPIdentity": password, "AssumeRoleWithCustomToken": token} {
				w := newWorld(t)
				client := w.client()
				client.Retry.MaxAttempts = 1
				client.HTTPClient = respond(test.status, strings.NewReplacer("OP", operation, "ECHO", secret).Replace(test.body))
				var p stschain.Provider = &minio.LDAP{Client: client, Username: "alice", Password: returns(password)}
				if secret == token {
					p = &minio.CustomToken{Client: client, RoleARN: roleARN, Token: returns(token)}
				}
				_, err := p.Retrieve(t.Context())
				if test.want == "" {
					require.NoError(t, err)
					continue
				}
				require.ErrorContains(t, err, test.want)
				canary.Check(t, secret, err)
			}
		})
	}
}
