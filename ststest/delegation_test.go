package ststest_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

func TestAssumeRoot(t *testing.T) {
	const unlock = "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"
	assumeRoot := func(srv *ststest.Server, c stschain.Credentials, pairs ...string) reply {
		return call(t, srv, c, form("AssumeRoot", append([]string{"TargetPrincipal", "210987654321", "TaskPolicyArn.arn", unlock}, pairs...)...))
	}
	srv, _ := fixed(t)
	hop := assume(t, srv, srv.User().Credentials, "SourceIdentity", "alice").credentials()
	got := assumeRoot(srv, hop, "MinimumSessionTokenSize", "1000")
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, "AssumeRootResponse", got.XMLName.Local)
	require.Equal(t, "2026-11-21T12:15:00Z", got.value("Expiration"))
	require.Equal(t, "alice", got.value("SourceIdentity"))
	require.Equal(t, "1000", got.value("SessionTokenSize"))
	require.Equal(t, "arn:aws:sts::210987654321:assumed-root", whoAmI(t, srv, got.credentials()).Caller.Arn)
	require.Equal(t, "2026-11-21T12:10:00Z", assumeRoot(srv, hop, "DurationSeconds", "600").value("Expiration"))
	require.Equal(t, 200, assumeRoot(srv, hop, "TargetPrincipal", "arn:aws:iam::210987654321:root").status)

	tests := []struct {
		name  string
		pairs []string
		want  string
	}{
		{"no target", []string{"TargetPrincipal", ""}, "targetPrincipal"},
		{"a user", []string{"TargetPrincipal", "arn:aws:iam::210987654321:user/x"}, "neither an account ID"},
		{"no policy", []string{"TaskPolicyArn.arn", ""}, "taskPolicyArn"},
		{"another policy", []string{"TaskPolicyArn.arn", "arn:aws:iam::aws:policy/AdministratorAccess"}, "not a task policy"},
		{"too long", []string{"DurationSeconds", "901"}, "less than or equal to 900"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv := ststest.NewTest(t)
			srv.AllowRefusals("ValidationError")
			got := assumeRoot(srv, srv.User().Credentials, test.pairs...)
			require.Equal(t, "ValidationError", got.code(), got.body)
			require.Contains(t, got.Error.Message, test.want)
		})
	}
	root := srv.AddUser("arn:aws:iam::123456789012:root").Credentials
	require.Equal(t, "AccessDenied", assumeRoot(srv, root).code())
}

func TestNotAtTheGlobalEndpoint(t *testing.T) {
	const global = "https://sts.amazonaws.com/"
	for operation, v := range map[string]url.Values{
		"AssumeRoot":          form("AssumeRoot", "TargetPrincipal", "210987654321", "TaskPolicyArn.arn", "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"),
		"GetWebIdentityToken": form("GetWebIdentityToken", "Audience.member.1", "x", "SigningAlgorithm", "ES384"),
		"GetCallerIdentity":   form("GetCallerIdentity"),
	} {
		fake := &fakeT{}
		srv := ststest.NewTest(fake)
		srv.Region = "eu-west-1" // which signed signs for
		res, err := srv.Client().Do(signed(t.Context(), global, v.Encode(), srv.User().Credentials, time.Now()))
		got := read(t, res, err)
		if operation == "GetCallerIdentity" {
			require.Equal(t, 200, got.status)
			continue
		}
		require.Equal(t, "InvalidAction", got.code())
		require.Contains(t, fake.reports(), "global endpoint")
		require.Equal(t, 200, call(t, srv, srv.User().Credentials, v).status, "at a regional one")
	}
}

func TestGetDelegatedAccessToken(t *testing.T) {
	srv, mock := fixed(t)
	srv.AllowRefusals("ValidationError")
	const principal = "arn:aws:sts::210987654321:assumed-role/deploy/ci"
	trade := func(token string) reply {
		return call(t, srv, srv.User().Credentials, form("GetDelegatedAccessToken", "TradeInToken", token))
	}
	token := srv.TradeInToken(principal, 0)
	got := trade(token.Reveal())
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, principal, got.value("AssumedPrincipal"))
	require.Equal(t, "2026-11-21T13:00:00Z", got.value("Expiration"))
	require.Empty(t, got.value("PackedPolicySize"), "it is not filled for this operation")
	require.Equal(t, principal, whoAmI(t, srv, got.credentials()).Caller.Arn)
	require.Equal(t, "[redacted]", srv.Calls()[0].Form.Get("TradeInToken"))

	require.Equal(t, "AccessDenied", trade("unknown").code())
	require.Equal(t, "ValidationError", trade("").code())
	mock.Add(time.Hour - 1)
	require.Equal(t, 200, trade(token.Reveal()).status)
	mock.Add(1)
	require.Equal(t, "ExpiredTradeInTokenException", trade(token.Reveal()).code())
	require.Equal(t, 400, trade(token.Reveal()).status)
}

func TestGetAccessKeyInfo(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals("ValidationError")
	info := func(id string) reply {
		return call(t, srv, srv.User().Credentials, form("GetAccessKeyInfo", "AccessKeyId", id))
	}
	carol := srv.AddUser("arn:aws:iam::210987654321:user/carol").Credentials
	require.Equal(t, "210987654321", info(carol.AccessKeyID).value("Account"))
	require.Equal(t, "123456789012", info(assume(t, srv, srv.User().Credentials).credentials().AccessKeyID).value("Account"))
	require.Equal(t, "ValidationError", info("AKIAUNKNOWN0000000000").code())
	require.Contains(t, info("AKIA").Error.Message, "greater than or equal to 16")
	require.Contains(t, info("AKIA-UNKNOWN-0000000000").Error.Message, "regular expression")
	require.Contains(t, info(strings.Repeat("A", 129)).Error.Message, "less than or equal to 128")
}

func TestDecodeAuthorizationMessage(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals("ValidationError")
	const message = `{"allowed":false,"explicitDeny":false,"matchedStatements":{"items":[]}}`
	decode := func(encoded string) reply {
		return call(t, srv, srv.User().Credentials, form("DecodeAuthorizationMessage", "EncodedMessage", encoded))
	}
	require.Equal(t, message, decode(srv.EncodedMessage(message)).value("DecodedMessage"))
	got := decode("unknown")
	require.Equal(t, 400, got.status)
	require.Equal(t, "InvalidAuthorizationMessageException", got.code())
	require.Equal(t, "ValidationError", decode(strings.Repeat("x", 10241)).code())
}

func TestDisabledRegions(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.DisabledRegions = []string{"ap-east-1", "eu-west-1"}
	user := srv.User().Credentials
	got := assume(t, srv, user)
	require.Equal(t, 403, got.status)
	require.Equal(t, "RegionDisabledException", got.code())
	require.Contains(t, got.Error.Message, "STS is not activated in this region for account:123456789012.")
	for _, v := range []url.Values{form("GetSessionToken"), form("GetFederationToken", "Name", "bob")} {
		require.Equal(t, "RegionDisabledException", call(t, srv, user, v).code())
	}
	got = open(t, srv, webIdentity(srv.Issuer().Token(nil)))
	require.Equal(t, "RegionDisabledException", got.code())
	require.Contains(t, got.Error.Message, "account:123456789012.")
	require.Equal(t, 200, whoAmI(t, srv, user).status, "it issues nothing")
	res, err := srv.Client().PostForm("https://sts.eu-central-1.amazonaws.com/", webIdentity(srv.Issuer().Token(nil)))
	require.Equal(t, 200, read(t, res, err).status)
}

func TestCallsPerSecond(t *testing.T) {
	srv, mock := fixed(t)
	srv.CallsPerSecond = 3
	codes := func(n int) (codes []string) {
		for range n {
			codes = append(codes, whoAmI(t, srv, srv.User().Credentials).code())
		}
		return codes
	}
	require.Equal(t, []string{"", "", "", "Throttling", "Throttling"}, codes(5))
	require.Equal(t, 400, srv.Calls()[4].Status)
	mock.Add(time.Second - 1)
	require.Equal(t, []string{"Throttling"}, codes(1))
	mock.Add(1)
	require.Equal(t, []string{"", "", "", "Throttling"}, codes(4))
}
