package webidentity_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stschain-go/stschain/webidentity"
)

// FuzzClaims: peek returns the claims of a token.
func FuzzClaims(f *testing.F) {
	f.Add("https://issuer.example", "repo:a/b:ref", "sts.amazonaws.com", "", int64(1795284000))
	f.Add("", "\x00\u2028<&>", "a", "b", int64(0))
	f.Add("i", "s", "", "", int64(1)<<62)
	f.Add("i", "s", "", "", int64(-1))
	f.Fuzz(func(t *testing.T, issuer, subject, first, second string, expires int64) {
		for _, s := range []string{issuer, subject, first, second} {
			if strings.ToValidUTF8(s, "") != s {
				return // not representable in JSON
			}
		}
		var aud any = first
		want := []string{first}
		if second != "" {
			want = append(want, second)
			aud = want
		}
		payload, err := json.Marshal(map[string]any{"iss": issuer, "sub": subject, "aud": aud, "exp": expires, "EXP": 1, "x": map[string]any{}})
		if err != nil {
			t.Fatal(err)
		}
		token := "e30." + base64.RawURLEncoding.EncodeToString(payload) + ".c2ln"
		gotIssuer, gotSubject, audiences, gotExpires, isJWT := webidentity.Peek(token)
		if len(token) > 1<<17 {
			return
		}
		if !isJWT || gotIssuer != issuer || gotSubject != subject || !slices.Equal(audiences, want) {
			t.Fatalf("%s: %q, %q, %q, %v", payload, gotIssuer, gotSubject, audiences, isJWT)
		}
		if at := time.Unix(min(max(expires, 0), 253402214400), 0); gotExpires.Sub(at).Abs() > 32*time.Second { // a float beyond 2^53
			t.Fatalf("%d is %v", expires, gotExpires)
		}
	})
}

// FuzzGitHubActions: whatever the runner's URL and its response are, the request's token is sent over
// https or loopback to that host alone, and the result is a single token or an error of one line that
// shows neither.
func FuzzGitHubActions(f *testing.F) {
	f.Add("https://runner.example/job?api-version=2.0", "", 200, `{"count":1,"value":"a.b.c"}`)
	f.Add("http://127.0.0.1:1/?audience=evil", "a&b", 200, `{"Value":"a b"}`)
	f.Add("https://user:pw@runner.example", "ä", 403, requestToken)
	f.Add("http://runner.example", "", 404, `{"value":1}`)
	f.Add("https://r\u0085\x85", "", 200, `{"count"`)
	f.Add("http://[0:0:0:0:0:0:0:1]/", "", 200, `{"value":"a"}`)
	f.Add("https://%c2%85/", "", 403, "")
	f.Add("https://"+strings.Repeat("x", 1200), "", 403, "")
	f.Fuzz(func(t *testing.T, address, audience string, status int, body string) {
		status = 200 + (status-200)&0xff // 429 and 500 would be retried
		var requested *url.URL
		g := &webidentity.GitHubActions{Audience: audience, LookupEnv: runner(address).lookup, HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			requested = r.URL
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})}}
		if status == 429 {
			return
		}
		token, err := g.Token(t.Context())
		if requested != nil {
			want := audience
			if want == "" {
				want = "sts.amazonaws.com"
			}
			given, _ := url.Parse(strings.TrimSpace(address))
			ip, _ := netip.ParseAddr(requested.Hostname())
			if requested.Scheme != "https" && !strings.EqualFold(requested.Hostname(), "localhost") && !ip.Unmap().IsLoopback() ||
				given == nil || requested.Host != strings.TrimSuffix(given.Host, ":") || !slices.Equal(requested.Query()["audience"], []string{want}) {
				t.Fatalf("%q for %q requests %q", address, audience, requested)
			}
		}
		switch {
		case err == nil && (requested == nil || status != 200 || token.IsZero() || strings.ContainsFunc(token.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' })):
			t.Fatalf("%q returns %q", body, token.Reveal())
		case err != nil && (strings.Contains(err.Error(), requestToken) || len(err.Error()) > 1000+len(address) || strings.ContainsFunc(err.Error(), unicode.IsControl)):
			t.Fatalf("%q", err)
		}
	})
}
