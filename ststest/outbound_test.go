package ststest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

func TestGetWebIdentityToken(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES384"} {
		t.Run(algorithm, func(t *testing.T) {
			srv, _ := fixed(t)
			role := assume(t, srv, srv.User().Credentials, tags("dept", "ops")...).credentials()
			got := call(t, srv, role, form("GetWebIdentityToken", append(tags("job", "7"),
				"Audience.member.1", "https://api.example", "Audience.member.2", "b", "SigningAlgorithm", algorithm, "DurationSeconds", "60")...))
			require.Equal(t, 200, got.status, got.body)
			require.Equal(t, "2026-11-21T12:01:00Z", got.value("Expiration"))
			token := stschain.NewSecret(got.value("WebIdentityToken"))
			alg, _, err := ststest.ParseJWT(token.Reveal())
			require.NoError(t, err)
			require.Equal(t, algorithm, alg)

			claims, err := srv.Outbound().Verify(token, start)
			require.NoError(t, err)
			require.Regexp(t, `^https://[0-9a-f-]{36}\.tokens\.sts\.global\.api\.aws$`, claims["iss"])
			require.Equal(t, roleARN, claims["sub"])
			require.Equal(t, []any{"https://api.example", "b"}, claims["aud"])
			require.Equal(t, json.Number(fmt.Sprint(start.Unix()+60)), claims["exp"])
			require.Equal(t, map[string]any{
				"aws_account":    "123456789012",
				"source_region":  "eu-west-1",
				"request_tags":   map[string]any{"job": "7"},
				"principal_tags": map[string]any{"dept": "ops"},
			}, claims["https://sts.amazonaws.com/"])
			_, err = srv.Outbound().Verify(token, start.Add(time.Minute))
			require.ErrorContains(t, err, "expired")
			_, err = srv.Issuer().Verify(token, start)
			require.Error(t, err)
		})
	}
}

func TestGetWebIdentityTokenRefused(t *testing.T) {
	srv, mock := fixed(t)
	srv.AllowRefusals("ValidationError")
	do := func(c stschain.Credentials, pairs ...string) reply {
		return call(t, srv, c, form("GetWebIdentityToken", append([]string{"Audience.member.1", "a", "SigningAlgorithm", "ES384"}, pairs...)...))
	}
	user := srv.User().Credentials
	got := do(user)
	require.Equal(t, "2026-11-21T12:05:00Z", got.value("Expiration"))
	claims, err := srv.Outbound().Verify(stschain.NewSecret(got.value("WebIdentityToken")), start)
	require.NoError(t, err)
	require.Equal(t, "a", claims["aud"])
	require.Equal(t, srv.User().ARN, claims["sub"])

	for name, pairs := range map[string][]string{
		"too short": {"DurationSeconds", "59"}, "too long": {"DurationSeconds", "3601"},
		"algorithm": {"SigningAlgorithm", "ES256"}, "no algorithm": {"SigningAlgorithm", ""},
		"empty audience": {"Audience.member.1", ""}, "long audience": {"Audience.member.1", strings.Repeat("x", 1001)},
	} {
		require.Equal(t, "ValidationError", do(user, pairs...).code(), name)
	}
	require.Equal(t, "ValidationError", call(t, srv, user, form("GetWebIdentityToken", "SigningAlgorithm", "ES384")).code(), "no audience")
	require.Equal(t, "ValidationError", call(t, srv, user, form("GetWebIdentityToken", "SigningAlgorithm", "ES384", "Audience", "")).code(), "an empty list")
	var long []string
	for i := range 10 {
		long = append(long, fmt.Sprintf("Audience.member.%d", i+1), strings.Repeat("x", 1000))
	}
	require.Equal(t, "JWTPayloadSizeExceededException", do(user, long...).code())
	require.Equal(t, "ValidationError", do(user, append(long, "Audience.member.11", "x")...).code())

	session := assume(t, srv, user, "DurationSeconds", "900").credentials()
	mock.Add(10 * time.Minute)
	require.Equal(t, 200, do(session).status, "it ends with the session")
	mock.Add(time.Second)
	got = do(session)
	require.Equal(t, 403, got.status)
	require.Equal(t, "SessionDurationEscalationException", got.code())

	off := ststest.NewTest(t)
	off.OutboundDisabled = true
	got = call(t, off, off.User().Credentials, form("GetWebIdentityToken", "Audience.member.1", "a", "SigningAlgorithm", "ES384"))
	require.Equal(t, 403, got.status)
	require.Equal(t, "OutboundWebIdentityFederationDisabledException", got.code())
}
