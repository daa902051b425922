package ststest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

func TestGetFederationToken(t *testing.T) {
	srv, mock := fixed(t)
	srv.AllowRefusals("ValidationError", "MalformedPolicyDocument")
	user, root := srv.User().Credentials, srv.AddUser("arn:aws:iam::123456789012:root").Credentials
	federate := func(c stschain.Credentials, pairs ...string) reply {
		return call(t, srv, c, form("GetFederationToken", append([]string{"Name", "bob"}, pairs...)...))
	}
	got := federate(user, append(tags("Team", "blue"), "Policy", "{}", "PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/X",
		"MinimumSessionTokenSize", "2000", "DurationSeconds", "900")...)
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, "GetFederationTokenResponse", got.XMLName.Local)
	require.Equal(t, "arn:aws:sts::123456789012:federated-user/bob", got.value("Arn"))
	require.Equal(t, "123456789012:bob", got.value("FederatedUserId"))
	require.Equal(t, "2026-11-21T12:15:00Z", got.value("Expiration"))
	require.Equal(t, "2000", got.value("SessionTokenSize"))
	require.Equal(t, "1", got.value("PackedPolicySize"))
	caller, _ := srv.Caller(got.credentials().AccessKeyID)
	require.Equal(t, map[string]string{"Team": "blue"}, caller.Tags)
	me := whoAmI(t, srv, got.credentials())
	require.Equal(t, got.value("Arn"), me.Caller.Arn)
	require.Equal(t, got.value("FederatedUserId"), me.Caller.UserId)

	require.Equal(t, "2026-11-22T00:00:00Z", federate(user).value("Expiration"))
	require.Equal(t, "2026-11-23T00:00:00Z", federate(user, "DurationSeconds", "129600").value("Expiration"))
	require.Equal(t, "2026-11-21T13:00:00Z", federate(root, "DurationSeconds", "129600").value("Expiration"), "an account's root gets an hour")

	for name, test := range map[string]struct {
		pairs []string
		code  string
	}{
		"too long":         {[]string{"DurationSeconds", "129601"}, "ValidationError"},
		"too short":        {[]string{"DurationSeconds", "899"}, "ValidationError"},
		"short name":       {[]string{"Name", "b"}, "ValidationError"},
		"long name":        {[]string{"Name", "b23456789012345678901234567890123"}, "ValidationError"},
		"policy":           {[]string{"Policy", "{"}, "MalformedPolicyDocument"},
		"duplicate tags":   {tags("a", "", "A", ""), "InvalidParameterValue"},
		"11 policies":      {policyARNs(11), "ValidationError"},
		"short policy ARN": {[]string{"PolicyArns.member.1.arn", "arn"}, "ValidationError"},
	} {
		require.Equal(t, test.code, federate(user, test.pairs...).code(), name)
	}
	require.Equal(t, 200, federate(user, policyARNs(10)...).status)

	for _, temporary := range []stschain.Credentials{
		got.credentials(), assume(t, srv, user).credentials(), call(t, srv, user, form("GetSessionToken")).credentials(),
	} {
		got := federate(temporary)
		require.Equal(t, 403, got.status)
		require.Equal(t, "Cannot call GetFederationToken with session credentials", got.Error.Message)
	}
	mock.Add(15 * time.Minute)
	require.Equal(t, "ExpiredToken", whoAmI(t, srv, got.credentials()).code())
}

func policyARNs(n int) []string {
	var pairs []string
	for i := range n {
		pairs = append(pairs, fmt.Sprintf("PolicyArns.member.%d.arn", i+1), "arn:aws:iam::aws:policy/X")
	}
	return pairs
}

// TestWhatSessionsMayCall has the table of the IAM User Guide: which operations
// of STS credentials may call, by where they come from.
func TestWhatSessionsMayCall(t *testing.T) {
	srv := ststest.NewTest(t)
	user := srv.User()
	sessions := map[string]stschain.Credentials{
		"user":       user.Credentials,
		"role":       assume(t, srv, user.Credentials).credentials(),
		"session":    call(t, srv, user.Credentials, form("GetSessionToken")).credentials(),
		"federation": call(t, srv, user.Credentials, form("GetFederationToken", "Name", "bob")).credentials(),
		"root": call(t, srv, user.Credentials, form("AssumeRoot", "TargetPrincipal", "210987654321",
			"TaskPolicyArn.arn", "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy")).credentials(),
		"delegation": call(t, srv, user.Credentials, form("GetDelegatedAccessToken", "TradeInToken", srv.TradeInToken(user.ARN, 0).Reveal())).credentials(),
	}
	tests := []struct {
		operation string
		pairs     []string
		may       string
	}{
		{"AssumeRole", []string{"RoleArn", roleARN, "RoleSessionName", "nightly"}, "user role session delegation"},
		{"AssumeRoot", []string{"TargetPrincipal", "210987654321", "TaskPolicyArn.arn", "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"}, "user role delegation"},
		{"DecodeAuthorizationMessage", []string{"EncodedMessage", srv.EncodedMessage("{}")}, "user role delegation"},
		{"GetAccessKeyInfo", []string{"AccessKeyId", user.Credentials.AccessKeyID}, "user role delegation"},
		{"GetCallerIdentity", nil, "user role session federation root delegation"},
		{"GetFederationToken", []string{"Name", "bob"}, "user"},
		{"GetSessionToken", nil, "user"},
		{"GetWebIdentityToken", []string{"Audience.member.1", "x", "SigningAlgorithm", "ES384"}, "user role delegation"},
	}
	for _, test := range tests {
		for from, c := range sessions {
			t.Run(test.operation+"/"+from, func(t *testing.T) {
				got := call(t, srv, c, form(test.operation, test.pairs...))
				if slices.Contains(strings.Fields(test.may), from) {
					require.Equal(t, 200, got.status, got.body)
					require.Equal(t, test.operation+"Response", got.XMLName.Local)
				} else {
					require.Equal(t, 403, got.status, got.body)
					require.Equal(t, "AccessDenied", got.code())
				}
			})
		}
	}
}

func TestIAMRefusesSomeSessions(t *testing.T) {
	srv := ststest.NewTest(t)
	device := srv.AddTOTP("alice")
	user := srv.User().Credentials
	iam := ststest.InProcess(srv.Protect("iam", "us-east-1", nil))
	status := func(c stschain.Credentials) int {
		client := &http.Client{Transport: &sigv4.Transport{Service: "iam", Region: "us-east-1", Base: iam,
			Credentials: stschain.Static(c.AccessKeyID, c.SecretAccessKey.Reveal(), c.SessionToken.Reveal())}}
		res, err := client.Get("https://iam.amazonaws.com/")
		require.NoError(t, err)
		res.Body.Close()
		return res.StatusCode
	}
	code := device.Code(time.Now())
	require.Equal(t, 200, status(user))
	require.Equal(t, 200, status(assume(t, srv, user).credentials()))
	require.Equal(t, 403, status(call(t, srv, user, form("GetSessionToken")).credentials()))
	require.Equal(t, 200, status(call(t, srv, user, form("GetSessionToken", "SerialNumber", device.Serial, "TokenCode", code)).credentials()))
	require.Equal(t, 403, status(call(t, srv, user, form("GetFederationToken", "Name", "bob")).credentials()))
}
