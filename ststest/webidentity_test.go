package ststest_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/ststest"
)

func webIdentity(token stschain.Secret, pairs ...string) url.Values {
	return form("AssumeRoleWithWebIdentity", append([]string{"RoleArn", roleARN, "RoleSessionName", "nightly", "WebIdentityToken", token.Reveal()}, pairs...)...)
}

func TestAssumeRoleWithWebIdentity(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		t.Run(algorithm, func(t *testing.T) {
			srv, mock := fixed(t)
			srv.Issuer().Algorithm = algorithm
			got := open(t, srv, webIdentity(srv.Issuer().Token(map[string]any{
				"aud":                                    []string{"other", "sts.amazonaws.com"},
				"https://aws.amazon.com/source_identity": "bob",
				"https://aws.amazon.com/tags": map[string]any{
					"principal_tags":      map[string]any{"Team": []string{"blue"}, "cost": "1"},
					"transitive_tag_keys": []string{"team"},
				},
			}), "DurationSeconds", "900", "Policy", "{}", "PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/X", "MinimumSessionTokenSize", "1001"))
			require.Equal(t, 200, got.status, got.body)
			require.Equal(t, "AssumeRoleWithWebIdentityResponse", got.XMLName.Local)
			require.Equal(t, "2026-11-21T12:15:00Z", got.value("Expiration"))
			require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/nightly", got.value("Arn"))
			require.Equal(t, "system:serviceaccount:default:app", got.value("SubjectFromWebIdentityToken"))
			require.Equal(t, "https://oidc.example", got.value("Provider"))
			require.Equal(t, "sts.amazonaws.com", got.value("Audience"))
			require.Equal(t, "bob", got.value("SourceIdentity"))
			require.Equal(t, "1004", got.value("SessionTokenSize"))
			require.Equal(t, "25", got.value("SessionTokenUtilization"))
			require.Equal(t, "1", got.value("PackedPolicySize"))

			me := got.credentials()
			require.Equal(t, got.value("Arn"), whoAmI(t, srv, me).Caller.Arn)
			caller, ok := srv.Caller(me.AccessKeyID)
			require.True(t, ok)
			require.Equal(t, map[string]string{"Team": "blue", "cost": "1"}, caller.Tags)
			require.Equal(t, []string{"Team"}, caller.TransitiveTagKeys)
			require.Equal(t, "bob", caller.SourceIdentity)
			require.Equal(t, 1, srv.Count("AssumeRoleWithWebIdentity"))

			srv.AllowRefusals("ValidationError")
			require.Equal(t, "ValidationError", assume(t, srv, me, "DurationSeconds", "3601").code(), "it is a role chain")
			mock.Add(15 * time.Minute)
			require.Equal(t, "ExpiredToken", whoAmI(t, srv, me).code())
		})
	}
}

func TestWebIdentityRefused(t *testing.T) {
	stranger := ststest.NewIssuer("https://stranger.example")
	tests := []struct {
		name    string
		claims  map[string]any
		token   func(*ststest.Server) stschain.Secret // nil: of claims
		role    ststest.Role
		deny    bool
		pairs   []string
		fault   ststest.Fault
		status  int
		code    string
		message string
	}{
		{name: "expired", claims: map[string]any{"exp": start.Unix()}, status: 400, code: "ExpiredTokenException",
			message: "Token expired: current date/time 1795262400 must be before the expiration date/time 1795262400"},
		{name: "wrong audience", claims: map[string]any{"aud": "other"}, status: 400, code: "InvalidIdentityToken", message: "Incorrect token audience"},
		{name: "no audience", claims: map[string]any{"aud": nil}, status: 400, code: "InvalidIdentityToken", message: "audience"},
		{name: "no subject", claims: map[string]any{"sub": nil}, status: 400, code: "InvalidIdentityToken", message: "sub"},
		{name: "unknown issuer", token: func(*ststest.Server) stschain.Secret { return stranger.Token(nil) }, status: 400, code: "InvalidIdentityToken",
			message: "No OpenIDConnect provider found in your account for https://stranger.example"},
		{name: "not a JWT", token: func(*ststest.Server) stschain.Secret { return stschain.NewSecret("an access token") }, status: 400, code: "InvalidIdentityToken", message: "not a valid JWT"},
		{name: "revoked", token: func(s *ststest.Server) stschain.Secret {
			token := s.Issuer().Token(nil)
			s.Issuer().Revoke(token)
			return token
		}, status: 403, code: "IDPRejectedClaim", message: "rejected"},
		{name: "malformed tags", claims: map[string]any{"https://aws.amazon.com/tags": "x"}, status: 400, code: "InvalidIdentityToken", message: "tags"},
		{name: "two values of a tag", claims: map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": []string{"1", "2"}}}},
			status: 400, code: "InvalidIdentityToken", message: "tags"},
		{name: "malformed source identity", claims: map[string]any{"https://aws.amazon.com/source_identity": "a b"}, status: 400, code: "InvalidIdentityToken", message: "source identity"},
		{name: "undeclared role", deny: true, status: 403, code: "AccessDenied", message: "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{name: "another subject", role: ststest.Role{ARN: roleARN, WebIdentity: []ststest.WebIdentityTrust{{Subject: "repo:o/*:ref"}}}, status: 403, code: "AccessDenied", message: "Not authorized"},
		{name: "another audience", role: ststest.Role{ARN: roleARN, WebIdentity: []ststest.WebIdentityTrust{{Audience: "x"}}}, status: 403, code: "AccessDenied", message: "Not authorized"},
		{name: "another issuer", role: ststest.Role{ARN: roleARN, WebIdentity: []ststest.WebIdentityTrust{{Issuer: "https://x"}}}, status: 403, code: "AccessDenied", message: "Not authorized"},
		{name: "empty trust", role: ststest.Role{ARN: roleARN, WebIdentity: []ststest.WebIdentityTrust{}}, status: 403, code: "AccessDenied", message: "Not authorized"},
		{name: "above role's most", role: ststest.Role{ARN: roleARN, MaxDuration: time.Hour}, pairs: []string{"DurationSeconds", "3601"}, status: 400, code: "ValidationError", message: "MaxSessionDuration"},
		{name: "role is not an ARN", pairs: []string{"RoleArn", providerARN}, status: 400, code: "ValidationError", message: "is invalid"},
		{name: "too much for the token", claims: map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": strings.Repeat("x", 8000)}}},
			status: 400, code: "PackedPolicyTooLarge", message: "107%"},
		{name: "provider of access tokens", pairs: []string{"ProviderId", "www.example.com"}, status: 400, code: "InvalidIdentityToken", message: "OAuth"},
		{name: "long policy", pairs: []string{"Policy", `{"a":"` + strings.Repeat("x", 2041) + `"}`}, status: 400, code: "ValidationError", message: "'policy' failed to satisfy constraint: Member must have length less than or equal to 2048"},
		{name: "policy is a list", pairs: []string{"Policy", "[]"}, status: 400, code: "MalformedPolicyDocument"},
		{name: "tags", pairs: []string{"Tags.member.1.Key", "k"}, status: 400, code: "InvalidQueryParameter"},
		{name: "issuer cannot be reached", fault: ststest.IDPUnreachable(), status: 400, code: "IDPCommunicationError"},
		{name: "server's clock ahead", fault: ststest.Skew(2 * time.Hour), status: 400, code: "ExpiredTokenException"},
		{name: "server's clock behind", fault: ststest.Skew(-time.Second), status: 400, code: "InvalidIdentityToken", message: "not yet valid"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv, _ := fixed(t)
			srv.DenyUndeclared = test.deny
			srv.AllowRefusals("ValidationError", "MalformedPolicyDocument", "InvalidQueryParameter")
			if test.role.ARN != "" {
				srv.AddRole(test.role)
			}
			token := srv.Issuer().Token(test.claims)
			if test.token != nil {
				token = test.token(srv)
			}
			srv.FailNext(test.fault)
			got := open(t, srv, webIdentity(token, test.pairs...))
			require.Equal(t, test.status, got.status, got.body)
			require.Equal(t, test.code, got.code())
			require.Contains(t, got.Error.Message, test.message)
			require.NotContains(t, got.body, token.Reveal())
		})
	}
}

func TestWebIdentityTrust(t *testing.T) {
	srv := ststest.NewTest(t)
	github := ststest.NewIssuer("https://token.actions.example")
	github.Audiences = []string{"aws", "gcp"}
	srv.AddIssuer(github)
	srv.AddRole(ststest.Role{ARN: roleARN, WebIdentity: []ststest.WebIdentityTrust{
		{Issuer: srv.Issuer().URL, Subject: "unknown"},
		{Issuer: github.URL, Audience: "aws", Subject: "repo:octo/*:ref:refs/heads/*"},
	}})
	sub := func(s string) map[string]any { return map[string]any{"sub": s} }
	require.Equal(t, 200, open(t, srv, webIdentity(github.Token(sub("repo:octo/hello:ref:refs/heads/main")))).status)
	require.Equal(t, "AccessDenied", open(t, srv, webIdentity(github.Token(sub("repo:evil/hello:ref:refs/heads/main")))).code())
	require.Equal(t, "AccessDenied", open(t, srv, webIdentity(github.Token(map[string]any{"sub": "repo:octo/x:ref:refs/heads/y", "aud": "gcp"}))).code())
	require.Equal(t, "AccessDenied", open(t, srv, webIdentity(srv.Issuer().Token(nil))).code())
}

func TestLike(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"a", "a", true}, {"a", "ab", false}, {"*", "", true}, {"*", "x", true},
		{"a*", "abc", true}, {"a*", "ba", false}, {"*c", "abc", true}, {"*c", "abcd", false},
		{"a*c", "ac", true}, {"a*a", "a", false}, {"a*b*c", "a-b-c", true}, {"a*b*c", "a-c", false}, {"a*b*c", "acb", false},
		{"a**b", "ab", true}, {"a*ab", "aab", true}, {"a.c", "abc", false},
	} {
		require.Equal(t, tt.want, ststest.Like(tt.pattern, tt.text), "%q %q", tt.pattern, tt.text)
	}
}

func TestUnsignedOperationsAreNotSigned(t *testing.T) {
	fake := &fakeT{}
	srv := ststest.NewTest(fake)
	token := srv.Issuer().Token(nil)
	require.Equal(t, 200, open(t, srv, webIdentity(token)).status)
	require.Empty(t, fake.errors)

	stranger := ststest.New().User().Credentials
	got := call(t, srv, stranger, webIdentity(token))
	require.Equal(t, 200, got.status, "the signature is ignored")
	require.Contains(t, fake.reports(), "AssumeRoleWithWebIdentity is signed")
	calls := srv.Calls()
	require.Equal(t, stranger.AccessKeyID, calls[1].AccessKeyID)
	require.Empty(t, calls[1].Caller)
	require.Empty(t, calls[0].AccessKeyID)

	n := len(fake.errors)
	srv.AllowRefusals("UnexpectedSignature")
	call(t, srv, stranger, webIdentity(token))
	require.Len(t, fake.errors, n)
}

func TestCallHidesTokens(t *testing.T) {
	srv := ststest.NewTest(t)
	token := srv.Issuer().Token(nil)
	open(t, srv, webIdentity(token))
	got := srv.Calls()[0]
	require.Equal(t, "[redacted]", got.Form.Get("WebIdentityToken"))
	require.Equal(t, token, got.Token)
	require.Equal(t, "nightly", got.Form.Get("RoleSessionName"))
	require.Equal(t, "POST", got.Method)
}

// TestTokensAreNotPrinted: not by what records them, nor by what complains.
func TestTokensAreNotPrinted(t *testing.T) {
	fake := &fakeT{}
	srv := ststest.NewTest(fake)
	token, assertion := srv.Issuer().Token(nil), srv.Assertion(ststest.Assertion{Roles: mayBackUp})
	open(t, srv, webIdentity(token, "RoleSessionName", "a b"))
	open(t, srv, withSAML(assertion, "RoleArn", "x"))
	call(t, srv, srv.User().Credentials, webIdentity(token))
	long := stschain.NewSecret(strings.Repeat("secret", 4000))
	got := open(t, srv, webIdentity(long))
	require.Equal(t, "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: Member must have length less than or equal to 20000", got.Error.Message)
	require.NotEmpty(t, fake.errors)
	for _, s := range []stschain.Secret{token, assertion, long} {
		canary.CheckText(t, s.Reveal(), fake.reports()+got.body)
	}
	canary.Check(t, token.Reveal(), srv.Calls()[0], srv.Issuer())
	canary.Check(t, assertion.Reveal(), srv.Calls()[1])
	require.Equal(t, "ststest.Issuer https://oidc.example", fmt.Sprintf("%#v", srv.Issuer()))
}
