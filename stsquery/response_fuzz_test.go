package stsquery_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// FuzzResponse: any response, headers included, is usable credentials or a typed error that is bounded,
// printable, and shows no secret that the server echoes.
func FuzzResponse(f *testing.F) {
	const good = `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey>` +
		`<SessionToken>t</SessionToken><Expiration>2026-11-21T13:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
	f.Add(200, good, "Sat, 21 Nov 2026 12:00:00 GMT", "1000", "text/xml", "id")
	f.Add(200, strings.Replace(good, "2026-11-21T13:00:00Z", "9999-12-31T23:59:59Z", 1), "Sat, 21 Nov 2026 11:00:00 GMT", "-1", "", "")
	f.Add(200, strings.Replace(good, "2026-11-21T13:00:00Z", "0001-01-01T00:00:00Z", 1), "", "", "", "")
	f.Add(403, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>no ECHO</Message></Error></ErrorResponse>`, "Mon, 01 Jan 0001 00:00:00 GMT", "9223372036854775807", "ECHO", "ECHO")
	f.Add(302, "", "", "", "", "https://user:ECHO@elsewhere.example/ECHO")
	f.Add(503, "<html>ECHO", "x", "1e3", "text/html; charset=ECHO", "\x1b[2J")
	f.Fuzz(func(t *testing.T, status int, body, date, retryAfter, kind, id string) {
		const token = "canary-4711-token"
		clean := func(s string) string { return strings.ReplaceAll(s, "ECHO", token) }
		header := http.Header{"Date": {date}, "X-Amz-Retry-After": {retryAfter}, "Content-Type": {clean(kind)}, "X-Amzn-Requestid": {clean(id)}, "Location": {clean(id)}}
		mock := clock.NewMock()
		mock.Set(noon)
		c := &stsquery.Client{
			Credentials: stschain.Static("AKID", "canary-4711-key", token), Region: "eu-west-1", Clock: mock,
			Retry: stsquery.Retry{MaxAttempts: 1},
			HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 100 + (status-100)&0x1ff, Header: header, Body: io.NopCloser(strings.NewReader(clean(body))), Request: r}, nil
			})},
		}
		out, err := c.AssumeRole(t.Context(), stsquery.AssumeRoleInput{
			RoleARN: "arn:aws:iam::123456789012:role/r", RoleSessionName: "session",
		})
		if err == nil {
			if creds := out.Credentials; creds.AccessKeyID == "" || creds.SecretAccessKey.IsZero() || creds.SessionToken.IsZero() || creds.Expires.IsZero() {
				t.Fatalf("%+v", creds)
			}
			return
		}
		e, ok := errors.AsType[*stsquery.Error](err)
		switch text := err.Error(); {
		case !ok, stschain.IsUnavailable(err):
			t.Fatalf("%T %v", err, err)
		case len(text) > 4000, strings.ContainsFunc(text, unicode.IsControl), strings.Contains(text, "canary-4711"):
			t.Fatalf("%q", text)
		case e.RetryAfter < 0:
			t.Fatalf("%q is %v", retryAfter, e.RetryAfter)
		}
	})
}

// FuzzExpiration: Expires is converted by the difference of the clocks, however large.
func FuzzExpiration(f *testing.F) {
	f.Add(int64(3600), int64(0))
	f.Add(int64(900), int64(-7200))
	f.Add(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()-noon.Unix(), int64(-120))
	f.Add(time.Date(200, 1, 1, 0, 0, 0, 0, time.UTC).Unix()-noon.Unix(), int64(86400))
	f.Fuzz(func(t *testing.T, left, ahead int64) {
		const century = 100 * 365 * 86400
		ahead %= century
		expires, server := time.Unix(noon.Unix()+left, 0).UTC(), noon.Add(time.Duration(ahead)*time.Second)
		if expires.Year() < 200 || expires.Year() > 9999 {
			return
		}
		out, err := sessionUntil(expires.Format(time.RFC3339), server).GetSessionToken(t.Context(), stsquery.GetSessionTokenInput{})
		if err != nil {
			t.Fatalf("%v of a server that is %d s ahead: %v", expires, ahead, err)
		}
		want := expires
		if ahead > 60 || ahead < -61 {
			if want = expires.Add(-time.Duration(ahead+1) * time.Second); want.Year() > 9999 {
				want = expires // which is as good as never
			}
		}
		if off := want.Sub(out.Credentials.Expires).Abs(); off > time.Second {
			t.Fatalf("%v of a server that is %d s ahead is %v", expires, ahead, out.Credentials.Expires)
		}
	})
}

// sessionUntil is a client of a server with a clock of its own, whose sessions end at expiration.
func sessionUntil(expiration string, server time.Time) *stsquery.Client {
	mock := clock.NewMock()
	mock.Set(noon)
	return &stsquery.Client{
		Credentials: stschain.Static("AKID", "key", ""), Region: "eu-west-1", Clock: mock, Retry: stsquery.Retry{MaxAttempts: 1},
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			body := `<GetSessionTokenResponse><GetSessionTokenResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey>` +
				`<SessionToken>t</SessionToken><Expiration>` + expiration + `</Expiration></Credentials></GetSessionTokenResult></GetSessionTokenResponse>`
			return &http.Response{StatusCode: 200, Header: http.Header{"Date": {server.Format(http.TimeFormat)}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})},
	}
}

// Found by FuzzExpiration and FuzzResponse: a session until the end of time was refused where the
// server's clock was behind, and one with the zero time of a server in Go never expired.
func TestExpirationAtItsEnds(t *testing.T) {
	for server, want := range map[time.Time]string{
		noon:                       "9999-12-31T23:59:59Z",
		noon.Add(-2 * time.Minute): "9999-12-31T23:59:59Z",
		noon.Add(2 * time.Minute):  "9999-12-31T23:57:58Z",
	} {
		out, err := sessionUntil("9999-12-31T23:59:59Z", server).GetSessionToken(t.Context(), stsquery.GetSessionTokenInput{})
		require.NoError(t, err)
		require.Equal(t, want, out.Credentials.Expires.Format(time.RFC3339))
	}
	_, err := sessionUntil("0001-01-01T00:00:00Z", noon).GetSessionToken(t.Context(), stsquery.GetSessionTokenInput{})
	require.ErrorContains(t, err, "Expiration of the response is missing or not a valid time")
}

// FuzzPresign: another implementation reads the parameters in a presigned URL, and accepts its signature; an
// error shows no secret.
func FuzzPresign(f *testing.F) {
	f.Add("arn:aws:iam::123456789012:role/r", "session", "k", "v a+b/ü%&=;", "https://sts.example/a?b=c", "cluster")
	f.Add("", "", "", "", "", "")
	f.Add("x", "y", "z", "\x00\xff", "http://localhost/%zz", "a\tb  c")
	srv := ststest.New()
	mock := clock.NewMock()
	mock.Set(noon)
	srv.Clock = mock
	keys := stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("canary-4711-key")}
	srv.AddKeys("arn:aws:iam::123456789012:user/ada", keys)
	f.Fuzz(func(t *testing.T, role, session, key, value, endpoint, cluster string) {
		c := &stsquery.Client{
			Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return keys, nil }),
			Region:      "eu-west-1", Endpoint: endpoint, Clock: mock,
		}
		in := stsquery.AssumeRoleInput{RoleARN: role, RoleSessionName: session, Tags: []stsquery.Tag{{Key: key, Value: value}}}
		signed, err := c.Presign(t.Context(), stsquery.PresignInput{Input: in, Header: http.Header{"X-K8s-Aws-Id": {cluster}}})
		if err != nil {
			if len(err.Error()) > 4000 || strings.Contains(err.Error(), "canary-4711") {
				t.Fatal(err)
			}
			return
		}
		if strings.ContainsFunc(cluster, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return // net/http sends no such header
		}
		u, err := url.Parse(signed.URL.Reveal())
		if err != nil || u.Host == "" {
			t.Fatalf("%v", err)
		}
		q := u.Query()
		for name, want := range map[string]string{"Action": "AssumeRole", "RoleArn": role, "RoleSessionName": session, "Tags.member.1.Key": key, "Tags.member.1.Value": value} {
			if values := q[name]; q.Get(name) != want && (len(values) != 2 || values[1] != want) { // the endpoint's query may have it too
				t.Fatalf("%s is %q, not %q", name, q[name], want)
			}
		}
		r, err := http.NewRequest(http.MethodGet, signed.URL.Reveal(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = signed.Header.Clone()
		r.Host = r.Header.Get("Host")
		r.Header.Del("Host")
		r.Body = http.NoBody
		rec := httptest.NewRecorder()
		srv.Protect("sts", "eu-west-1", nil).ServeHTTP(rec, r)
		if rec.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", signed.URL.Reveal(), rec.Code, rec.Body)
		}
	})
}

// seed adds the bodies of recorded responses, if STSCHAIN_CONFORMANCE is set, and hostile ones.
func seed(f *testing.F) {
	f.Add([]byte(assumeRoleResponse))
	f.Add([]byte(stsError("AccessDenied", "&lt;no&#x21;&gt;")))
	for _, s := range []string{
		"", "<", "<a/>", "<a>", "</a>", "<a></b>", "<a:b xmlns:a='x'></a:b>", "<a:b></c:b>", "<!DOCTYPE a><a/>", "<?xml version='1.0'?><a/>",
		"<Error><Code>x</Code></Error>", "<Response><Errors><Error><Code>x</Code></Error></Errors></Response>",
		"<a><![CDATA[<b>]]></a>", "<a>&undefined;</a>", "<a>\x00</a>", strings.Repeat("<a>", 100),
		"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>a</AccessKeyId></Credentials></AssumeRoleResult></AssumeRoleResponse>",
	} {
		f.Add([]byte(s))
	}
	files, _ := filepath.Glob(filepath.Join(os.Getenv("STSCHAIN_CONFORMANCE"), "responses", "*", "*.http"))
	for _, file := range files {
		if raw, err := os.ReadFile(file); err == nil {
			_, body, _ := strings.Cut(string(raw), "\r\n\r\n")
			f.Add([]byte(body))
		}
	}
}

// FuzzOutputs: the response of each operation is an error, or a complete result that can be sent.
func FuzzOutputs(f *testing.F) {
	seed(f)
	for operation, test := range whole {
		f.Add([]byte(result(operation, test.response).body))
		f.Add([]byte(result(operation, strings.Replace(test.response, "Expiration", "Foo", 2)).body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for operation, out := range stsquery.Outputs() {
			err := stsquery.Decode(body, operation, out)
			if err != nil {
				if len(err.Error()) > 500 {
					t.Fatalf("long error: %v", err)
				}
				continue
			}
			if v := reflect.ValueOf(out).Elem(); v.FieldByName("Credentials").IsValid() {
				c := v.FieldByName("Credentials").Interface().(stschain.Credentials)
				if c.AccessKeyID == "" || c.SecretAccessKey.IsZero() || c.SessionToken.IsZero() || c.Origin != operation {
					t.Fatalf("%s: incomplete: %+v", operation, c)
				}
			}
			switch out := out.(type) {
			case *stsquery.DecodeAuthorizationMessageOutput:
				if out.DecodedMessage == "" {
					t.Fatal("no message")
				}
			case *stsquery.GetAccessKeyInfoOutput:
				if out.Account == "" {
					t.Fatal("no account")
				}
			case *stsquery.GetWebIdentityTokenOutput:
				if s := out.WebIdentityToken.Reveal(); s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
					t.Fatalf("%q is not a token", s)
				}
			}
		}
	})
}
