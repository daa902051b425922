package proof_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/proof"
)

// FuzzAudience: a token names its audience exactly, or is refused.
func FuzzAudience(f *testing.F) {
	for _, s := range []string{"production", "a b", " a", "a&b=c#%2F+", "\"<>\\", "ä", "a\nX-Amz-Date: b", audience} {
		f.Add(s)
	}
	c := client(example, fakeClock())
	f.Fuzz(func(t *testing.T, name string) {
		plain := name != "" && strings.Join(strings.Fields(name), " ") == name && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' })
		token, err := (&proof.GCP{Client: c, Audience: name}).Token(t.Context())
		require.Equal(t, plain, err == nil, "%v", err)
		r, err := (&proof.CallerIdentity{Client: c, Header: "X-Verifier", Audience: name}).Request(t.Context())
		require.Equal(t, plain, err == nil, "%v", err)
		if !plain {
			return
		}
		require.Equal(t, name, r.Reveal().Get("X-Verifier"))
		text, err := url.QueryUnescape(token.Value.Reveal())
		require.NoError(t, err)
		var subject struct{ Headers []struct{ Key, Value string } }
		require.NoError(t, json.Unmarshal([]byte(text), &subject))
		require.Equal(t, name, subject.Headers[len(subject.Headers)-1].Value)

		vault, err := (&proof.Vault{Client: c, ServerID: name, Role: name}).Token(t.Context())
		require.NoError(t, err)
		var login struct {
			Role    string
			Headers []byte `json:"iam_request_headers"`
		}
		require.NoError(t, json.Unmarshal([]byte(vault.Value.Reveal()), &login))
		var headers map[string][]string
		require.NoError(t, json.Unmarshal(login.Headers, &headers))
		require.Equal(t, name, login.Role)
		require.Equal(t, []string{name}, headers["X-Vault-Aws-Iam-Server-Id"])
	})
}

// FuzzHeader: a header binds a token to its audience, or there is no token.
func FuzzHeader(f *testing.F) {
	for _, s := range []string{"X-LakeFS-Server-ID", "host", "x-amz-date", "Content-Length", "a b", "a:b", "a;b", "Ä", "User-Agent", "authorization", "Connection", "Te", "Trailer", "Transfer-Encoding", "Expect", "Cookie", "Date", "X-Amzn-Trace-Id", "Accept-Encoding", "Traceparent", "Keep-Alive", "Upgrade", "!#%", "x|y", "Content-Type"} {
		f.Add(s)
	}
	c := client(example, fakeClock())
	f.Fuzz(func(t *testing.T, name string) {
		id := &proof.CallerIdentity{Client: c, Header: name, Audience: "me"}
		token, err := id.URL(t.Context())
		if err != nil {
			return
		}
		u, err := url.Parse(token.Value.Reveal())
		require.NoError(t, err)
		lower := strings.ToLower(name)
		require.ElementsMatch(t, []string{"host", lower}, strings.Split(u.Query().Get("X-Amz-SignedHeaders"), ";"))
		r, err := id.Request(t.Context())
		require.NoError(t, err)
		require.Equal(t, "me", r.Reveal().Get(name))
		_, list, _ := strings.Cut(r.Reveal().Get("Authorization"), "SignedHeaders=")
		list, _, _ = strings.Cut(list, ",")
		require.Contains(t, strings.Split(list, ";"), lower)
	})
}

// FuzzPassword: a password has the requested endpoint and user.
func FuzzPassword(f *testing.F) {
	f.Add("db.example:5432", "jane")
	f.Add("[2001:db8::1]:1", "jane doe+x&Action=drop")
	f.Add("db", "%")
	f.Add("db:443", "ä")
	f.Add("ä:1", "jane")
	f.Add("a\"b:1", "jane")
	f.Fuzz(func(t *testing.T, endpoint, user string) {
		token, err := (&proof.RDS{Credentials: example, Region: region, Endpoint: endpoint, User: user}).Token(t.Context())
		if err != nil {
			return
		}
		host, query, ok := strings.Cut(token.Value.Reveal(), "/?")
		require.True(t, ok)
		require.Equal(t, endpoint, host)
		q, err := url.ParseQuery(query)
		require.NoError(t, err)
		require.Equal(t, []string{user}, q["DBUser"])
		require.Equal(t, []string{"connect"}, q["Action"])
	})
}

// FuzzSignInResponse: a response is a token that can be sent and has an end, or an error that does not show it.
func FuzzSignInResponse(f *testing.F) {
	for _, s := range []string{
		`{"access_token":"canary-4711-token","expires_in":900,"token_type":"Bearer"}`,
		`{"access_token":"canary-4711-token","expires_in":1,"token_type":"bearer","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}`,
		`{"access_token":"canary-4711-token\r\n","expires_in":900,"token_type":"Bearer"}`,
		`{"Access_Token":"canary-4711-token","access_token":1}`,
		`{"__type":"AccessDeniedException","error":"TOKEN_EXPIRED","message":"canary-4711-token"}`,
		`{"error":{"code":"x"},"message":[]}`, "<html>canary-4711-token", "null", "", "[",
	} {
		f.Add(200, s)
		f.Add(400, s)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		var calls int
		token, err := responding(status, "application/json", body, &calls).Token(t.Context())
		require.Equal(t, 1, calls)
		if err != nil {
			require.Contains(t, err.Error(), "proof: no bearer token: ")
			require.Less(t, len(err.Error()), 2000)
			require.False(t, strings.ContainsAny(err.Error(), "\r\n"), "%q", err)
			return
		}
		require.Equal(t, 200, status)
		require.Regexp(t, `^[A-Za-z0-9._~+/-]+=*$`, token.Value.Reveal())
		left := time.Until(token.Expires)
		require.True(t, left > -time.Minute && left <= 12*time.Hour, "%v", left)
	})
}

// FuzzIoTWebSocket: a URL is for the endpoint, or there is none.
func FuzzIoTWebSocket(f *testing.F) {
	for _, s := range []string{broker, "A.example", "[::1]", "a.credentials.iot.eu-west-1.amazonaws.com", "a:443", "a/b", "a?b", "a#b", "u@a", "a b", "%61"} {
		f.Add(s)
	}
	c := fakeClock()
	f.Fuzz(func(t *testing.T, endpoint string) {
		link, err := (&proof.IoTWebSocket{Credentials: example, Region: region, Endpoint: endpoint, Clock: c}).URL(t.Context())
		if err != nil {
			return
		}
		u, err := url.Parse(link.Value.Reveal())
		require.NoError(t, err)
		require.Equal(t, "wss://"+strings.ToLower(endpoint)+"/mqtt", u.Scheme+"://"+u.Host+u.Path)
		signed, token, ok := strings.Cut(u.RawQuery, "&X-Amz-Security-Token=")
		require.True(t, ok)
		require.Equal(t, url.QueryEscape(sessionToken), token)
		require.Contains(t, signed, "&X-Amz-Signature=")
	})
}
