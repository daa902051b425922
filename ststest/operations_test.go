package ststest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

// fixed returns a server whose clock stands at start.
func fixed(t *testing.T) (*ststest.Server, *clock.Mock) {
	t.Helper()
	mock := clock.NewMock()
	mock.Set(start)
	srv := ststest.NewTest(t)
	srv.Clock = mock
	return srv, mock
}

func TestAssumeRole(t *testing.T) {
	srv, _ := fixed(t)
	got := assume(t, srv, srv.User().Credentials, "SourceIdentity", "bob", "DurationSeconds", "900")

	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, "https://sts.amazonaws.com/doc/2011-06-15/", got.XMLName.Space)
	require.Equal(t, "AssumeRoleResponse", got.XMLName.Local)
	require.Equal(t, "text/xml", got.header.Get("Content-Type"))
	require.Equal(t, "Sat, 21 Nov 2026 12:00:00 GMT", got.header.Get("Date"))
	require.Contains(t, got.body, "<RequestId>"+got.header.Get("X-Amzn-Requestid")+"</RequestId>")
	require.Equal(t, "2026-11-21T12:15:00Z", got.Assumed.Credentials.Expiration)
	require.Equal(t, "bob", got.Assumed.SourceIdentity)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/nightly", got.Assumed.AssumedRoleUser.Arn)
	require.Regexp(t, `^AROA[A-Z2-7]{16}:nightly$`, got.Assumed.AssumedRoleUser.AssumedRoleId)
	require.Regexp(t, `^ASIA\w{16}$`, got.Assumed.Credentials.AccessKeyId)

	me := whoAmI(t, srv, got.Assumed.Credentials.credentials())
	require.Equal(t, got.Assumed.AssumedRoleUser.Arn, me.Caller.Arn)
	require.Equal(t, got.Assumed.AssumedRoleUser.AssumedRoleId, me.Caller.UserId)
	require.Equal(t, "123456789012", me.Caller.Account)
}

func TestAssumeRoleInAnotherPartitionAndAccount(t *testing.T) {
	srv := ststest.NewTest(t)
	got := assume(t, srv, srv.User().Credentials, "RoleArn", "arn:aws-us-gov:iam::210987654321:role/x")
	require.Equal(t, "arn:aws-us-gov:sts::210987654321:assumed-role/x/nightly", got.Assumed.AssumedRoleUser.Arn)
	require.Equal(t, "210987654321", whoAmI(t, srv, got.Assumed.Credentials.credentials()).Caller.Account)
}

func TestIssuedCredentialsAreUnique(t *testing.T) {
	srv := ststest.NewTest(t)
	seen := map[string]bool{}
	for range 20 {
		got := assume(t, srv, srv.User().Credentials).Assumed.Credentials
		for _, v := range []string{got.AccessKeyId, got.SecretAccessKey, got.SessionToken} {
			require.False(t, seen[v], "%s comes twice", v)
			seen[v] = true
		}
		require.True(t, strings.ContainsAny(got.SessionToken, "/") && strings.Contains(got.SessionToken, "+") && strings.HasSuffix(got.SessionToken, "=="),
			"a token holds what must be escaped")
	}
}

func TestAssumeRoleDuration(t *testing.T) {
	tests := []struct {
		name     string
		duration string
		most     time.Duration
		chained  bool
		want     time.Duration // 0: refused
		message  string
	}{
		{name: "not said", want: time.Hour},
		{name: "least", duration: "900", want: 15 * time.Minute},
		{name: "below", duration: "899", message: "Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{name: "most", duration: "43200", want: 12 * time.Hour},
		{name: "above", duration: "43201", message: "less than or equal to 43200"},
		{name: "not a number", duration: "1h", message: "whole number"},
		{name: "role's most", duration: "7200", most: 2 * time.Hour, want: 2 * time.Hour},
		{name: "above role's most", duration: "7201", most: 2 * time.Hour, message: "exceeds the MaxSessionDuration set for this role"},
		{name: "not said, role gives less", most: 30 * time.Minute, want: 30 * time.Minute},
		{name: "chain", duration: "3600", chained: true, want: time.Hour},
		{name: "above chain's most", duration: "3601", chained: true, message: "1 hour session limit for roles assumed by role chaining"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv, _ := fixed(t)
			srv.AllowRefusals("ValidationError")
			srv.AddRole(ststest.Role{ARN: roleARN, MaxDuration: test.most})
			creds := srv.User().Credentials
			if test.chained {
				creds = assume(t, srv, creds).Assumed.Credentials.credentials()
			}
			var pairs []string
			if test.duration != "" {
				pairs = []string{"DurationSeconds", test.duration}
			}
			got := assume(t, srv, creds, pairs...)
			if test.want == 0 {
				require.Equal(t, 400, got.status)
				require.Equal(t, "ValidationError", got.code())
				require.Contains(t, got.Error.Message, test.message)
				return
			}
			require.Equal(t, start.Add(test.want).Format(time.RFC3339), got.Assumed.Credentials.Expiration, got.body)
		})
	}
}

func TestValidation(t *testing.T) {
	long := strings.Repeat("x", 65)
	tests := []struct {
		name    string
		pairs   []string
		code    string
		message string
	}{
		{"no ARN", []string{"RoleArn", "-"}, "ValidationError", "1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null"},
		{"short ARN", []string{"RoleArn", "arn"}, "ValidationError", "length greater than or equal to 20"},
		{"ARN of a user", []string{"RoleArn", "arn:aws:iam::123456789012:user/alice"}, "ValidationError", "arn:aws:iam::123456789012:user/alice is invalid"},
		{"short account", []string{"RoleArn", "arn:aws:iam::12345678901:role/backup"}, "ValidationError", "is invalid"},
		{"no name", []string{"RoleSessionName", "-"}, "ValidationError", "Value null at 'roleSessionName'"},
		{"short name", []string{"RoleSessionName", "x"}, "ValidationError", "length greater than or equal to 2"},
		{"long name", []string{"RoleSessionName", long}, "ValidationError", "length less than or equal to 64"},
		{"space in name", []string{"RoleSessionName", "a b"}, "ValidationError", `satisfy regular expression pattern: [\w+=,.@-]*`},
		{"line feed after name", []string{"RoleSessionName", "ab\n"}, "ValidationError", "regular expression"},
		{"two at once", []string{"RoleSessionName", "x", "TokenCode", "1"}, "ValidationError", "2 validation errors detected: Value 'x' at"},
		{"code of letters", []string{"TokenCode", "abcdef", "SerialNumber", "123456789"}, "ValidationError", `\d`},
		{"external ID", []string{"ExternalId", "a"}, "ValidationError", "externalId"},
		{"policy", []string{"Policy", "{"}, "MalformedPolicyDocument", "policy"},
		{"unknown parameter", []string{"RoleARN", roleARN}, "InvalidQueryParameter", `"RoleARN"`},
		{"parameter of another operation", []string{"WebIdentityToken", "x"}, "InvalidQueryParameter", "WebIdentityToken"},
		{"list from 0", []string{"PolicyArns.member.0.arn", "x"}, "InvalidQueryParameter", "PolicyArns"},
		{"list with a hole", []string{"TransitiveTagKeys.member.1", "x", "TransitiveTagKeys.member.3", "y"}, "MalformedInput", "highest index is 3"},
		{"list without member", []string{"TransitiveTagKeys.1", "x"}, "InvalidQueryParameter", "TransitiveTagKeys.1"},
		{"list's member in upper case", []string{"PolicyArns.member.1.Arn", "x"}, "InvalidQueryParameter", "Arn"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fake := &fakeT{}
			srv := ststest.NewTest(fake)
			v := form("AssumeRole", "RoleArn", roleARN, "RoleSessionName", "nightly")
			for i := 0; i < len(test.pairs); i += 2 {
				if v.Set(test.pairs[i], test.pairs[i+1]); test.pairs[i+1] == "-" {
					v.Del(test.pairs[i])
				}
			}
			got := call(t, srv, srv.User().Credentials, v)
			require.Equal(t, 400, got.status, got.body)
			require.Equal(t, test.code, got.code())
			require.Equal(t, "Sender", got.Error.Type)
			require.Contains(t, got.Error.Message, test.message)
			require.Contains(t, fake.reports(), test.code, "it is reported to the test")
		})
	}
}

func TestAllParametersAreAccepted(t *testing.T) {
	srv := ststest.NewTest(t)
	got := assume(t, srv, srv.User().Credentials,
		"ExternalId", "ex", "SourceIdentity", "bob", "Policy", `{}`, "MinimumSessionTokenSize", "1024",
		"PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess", "PolicyArns.member.2.arn", "arn:aws:iam::aws:policy/X",
		"Tags.member.1.Key", "k", "Tags.member.1.Value", "", "TransitiveTagKeys.member.1", "k",
		"ProvidedContexts.member.1.ProviderArn", "arn:aws:iam::aws:contextProvider/IdentityCenter",
		"ProvidedContexts.member.1.ContextAssertion", "abcd")
	require.Equal(t, 200, got.status, got.body)
	require.Contains(t, got.body, "<PackedPolicySize>")
	got = assume(t, srv, srv.User().Credentials, "Tags", "")
	require.Equal(t, 200, got.status, "an empty list: %s", got.body)
}

func TestRoleConstraints(t *testing.T) {
	const (
		bob   = "arn:aws:iam::123456789012:user/bob"
		carol = "arn:aws:iam::210987654321:user/carol"
	)
	tests := []struct {
		name  string
		role  ststest.Role // nothing: not declared
		who   string       // of the caller; "": bob
		pairs []string
		deny  bool // DenyUndeclared
		want  bool
	}{
		{name: "undeclared", want: true},
		{name: "undeclared, denied", deny: true},
		{name: "declared", role: ststest.Role{ARN: roleARN}, deny: true, want: true},
		{name: "no external ID", role: ststest.Role{ARN: roleARN, ExternalID: "tenant-1"}},
		{name: "wrong external ID", role: ststest.Role{ARN: roleARN, ExternalID: "tenant-1"}, pairs: []string{"ExternalId", "tenant-2"}},
		{name: "external ID", role: ststest.Role{ARN: roleARN, ExternalID: "tenant-1"}, pairs: []string{"ExternalId", "tenant-1"}, want: true},
		{name: "no MFA", role: ststest.Role{ARN: roleARN, MFA: true}},
		{name: "trusted user", role: ststest.Role{ARN: roleARN, Trusted: []string{carol, bob}}, want: true},
		{name: "another user", role: ststest.Role{ARN: roleARN, Trusted: []string{carol}}},
		{name: "empty trust", role: ststest.Role{ARN: roleARN, Trusted: []string{}}},
		{name: "empty principal", role: ststest.Role{ARN: roleARN, Trusted: []string{""}}},
		{name: "trusted account", role: ststest.Role{ARN: roleARN, Trusted: []string{"arn:aws:iam::210987654321:root"}}, who: carol, want: true},
		{name: "trusted account number", role: ststest.Role{ARN: roleARN, Trusted: []string{"210987654321"}}, who: carol, want: true},
		{name: "another account", role: ststest.Role{ARN: roleARN, Trusted: []string{"210987654321"}}},
		{name: "root", who: "arn:aws:iam::123456789012:root"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv := ststest.NewTest(t)
			srv.DenyUndeclared = test.deny
			if test.role.ARN != "" {
				srv.AddRole(test.role)
			}
			if test.who == "" {
				test.who = "bob"
			}
			got := assume(t, srv, srv.AddUser(test.who).Credentials, test.pairs...)
			if test.want {
				require.Equal(t, 200, got.status, got.body)
				return
			}
			require.Equal(t, 403, got.status)
			require.Equal(t, "AccessDenied", got.code())
		})
	}
}

func TestTrustInARoleHoldsForItsSessions(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AddRole(ststest.Role{ARN: roleARN, Trusted: []string{"arn:aws:iam::123456789012:role/hop"}})
	hop := assume(t, srv, srv.User().Credentials, "RoleArn", "arn:aws:iam::123456789012:role/hop")
	require.Equal(t, 200, assume(t, srv, hop.Assumed.Credentials.credentials()).status)

	got := assume(t, srv, srv.User().Credentials)
	require.Equal(t, "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: sts:AssumeRole on resource: "+roleARN, got.Error.Message)
}

func TestMFA(t *testing.T) {
	const (
		serial = "arn:aws:iam::123456789012:mfa/alice"
		alice  = "arn:aws:iam::123456789012:user/alice"
	)
	mfa := func(code string) []string { return []string{"SerialNumber", serial, "TokenCode", code} }
	srv, mock := fixed(t)
	srv.AddMFA(ststest.MFA{Serial: serial, User: alice, Codes: []string{"000001", "000002", "000003", "000004"}, Verify: func(code string, at time.Time) bool {
		return code == at.Format("150405")
	}})
	srv.AddRole(ststest.Role{ARN: roleARN, MFA: true})
	user := srv.User().Credentials

	require.Equal(t, 200, assume(t, srv, user, mfa("000001")...).status)
	got := assume(t, srv, user, mfa("000001")...)
	require.Equal(t, 403, got.status, "a code is accepted once")
	require.Equal(t, "AccessDenied", got.code())
	require.Equal(t, "MultiFactorAuthentication failed with invalid MFA one time pass code.", got.Error.Message)
	require.Equal(t, 403, assume(t, srv, user, mfa("999999")...).status)

	require.Equal(t, 200, assume(t, srv, user, mfa("120000")...).status, "Verify")
	require.Equal(t, 403, assume(t, srv, user, mfa("120000")...).status)
	mock.Add(time.Second)
	require.Equal(t, 200, assume(t, srv, user, mfa("120001")...).status)

	require.Contains(t, assume(t, srv, user, "SerialNumber", serial).Error.Message, "must provide both")
	require.Contains(t, assume(t, srv, user, "TokenCode", "000002").Error.Message, "must provide both")
	require.Contains(t, assume(t, srv, srv.AddUser("bob").Credentials, mfa("000002")...).Error.Message, "unable to validate")
	require.Contains(t, assume(t, srv, user, "SerialNumber", serial+"x", "TokenCode", "000002").Error.Message, "unable to validate")

	srv.FailNext(ststest.Throttle())
	require.Equal(t, "Throttling", assume(t, srv, user, mfa("000002")...).code())
	require.Equal(t, 200, assume(t, srv, user, mfa("000002")...).status, "a throttled call uses no code up")

	session := call(t, srv, user, form("GetSessionToken", mfa("000003")...)).Session.Credentials.credentials()
	require.Equal(t, 200, assume(t, srv, session).status, "a session that was got with a device")
	require.Equal(t, "AccessDenied", call(t, srv, user, form("GetSessionToken", mfa("000003")...)).code())
	session = call(t, srv, user, form("GetSessionToken")).Session.Credentials.credentials()
	require.Equal(t, 403, assume(t, srv, session).status, "a session that was got without")
	role := assume(t, srv, user, mfa("000004")...).Assumed.Credentials.credentials()
	require.Equal(t, 403, assume(t, srv, role).status, "the session of a role does not say that a device was used")
}

func TestGetSessionToken(t *testing.T) {
	srv, _ := fixed(t)
	srv.AllowRefusals("ValidationError")
	life := func(c stschain.Credentials, pairs ...string) string {
		return call(t, srv, c, form("GetSessionToken", pairs...)).Session.Credentials.Expiration
	}
	user, root := srv.User().Credentials, srv.AddUser("arn:aws:iam::123456789012:root").Credentials
	require.Equal(t, "2026-11-22T00:00:00Z", life(user))
	require.Equal(t, "2026-11-21T12:15:00Z", life(user, "DurationSeconds", "900"))
	require.Equal(t, "2026-11-23T00:00:00Z", life(user, "DurationSeconds", "129600"))
	require.Equal(t, "2026-11-21T13:00:00Z", life(root), "an account's root gets an hour")
	require.Equal(t, "", life(user, "DurationSeconds", "129601"))
	require.Equal(t, "", life(user, "DurationSeconds", "899"))

	session := call(t, srv, user, form("GetSessionToken")).Session.Credentials.credentials()
	require.Equal(t, srv.User().ARN, whoAmI(t, srv, session).Caller.Arn)
	require.Equal(t, whoAmI(t, srv, user).Caller, whoAmI(t, srv, session).Caller)
	require.Equal(t, 200, assume(t, srv, session).status)
	for _, temporary := range []stschain.Credentials{session, assume(t, srv, user).Assumed.Credentials.credentials()} {
		got := call(t, srv, temporary, form("GetSessionToken"))
		require.Equal(t, 403, got.status)
		require.Equal(t, "Cannot call GetSessionToken with session credentials", got.Error.Message)
	}
}

func TestLifetime(t *testing.T) {
	srv, mock := fixed(t)
	srv.Lifetime = 1500 * time.Millisecond
	got := assume(t, srv, srv.User().Credentials, "DurationSeconds", "3600")
	require.Equal(t, "2026-11-21T12:00:01.5Z", got.Assumed.Credentials.Expiration)
	creds := got.Assumed.Credentials.credentials()
	mock.Add(1500*time.Millisecond - 1)
	require.Equal(t, 200, whoAmI(t, srv, creds).status)
	mock.Add(1)
	require.Equal(t, "ExpiredToken", whoAmI(t, srv, creds).code())
}

func TestExpiredAndRevoked(t *testing.T) {
	srv, mock := fixed(t)
	creds := assume(t, srv, srv.User().Credentials).Assumed.Credentials.credentials()
	mock.Add(time.Hour - time.Nanosecond)
	require.Equal(t, 200, whoAmI(t, srv, creds).status)
	mock.Add(time.Nanosecond)
	got := whoAmI(t, srv, creds)
	require.Equal(t, 403, got.status)
	require.Equal(t, "ExpiredToken", got.code())

	creds = assume(t, srv, srv.User().Credentials).Assumed.Credentials.credentials()
	require.True(t, srv.Revoke(creds.AccessKeyID))
	require.Equal(t, "ExpiredToken", whoAmI(t, srv, creds).code())
	require.False(t, srv.Revoke("ASIAUNKNOWN"))

	bob := srv.AddUser("bob").Credentials
	require.True(t, srv.Revoke(bob.AccessKeyID))
	require.Equal(t, "InvalidClientTokenId", whoAmI(t, srv, bob).code())
}

func TestAddKeys(t *testing.T) {
	srv, mock := fixed(t)
	const arn = "arn:aws:sts::210987654321:assumed-role/deploy/ci"
	creds := stschain.Credentials{
		AccessKeyID:     "ASIAEXAMPLE000000000",
		SecretAccessKey: stschain.NewSecret("made-elsewhere"),
		SessionToken:    stschain.NewSecret("token"),
		Expires:         start.Add(time.Minute),
	}
	srv.AddKeys(arn, creds)
	got := whoAmI(t, srv, creds)
	require.Equal(t, arn, got.Caller.Arn)
	require.Equal(t, "210987654321", got.Caller.Account)
	require.Regexp(t, `^AROA\w{16}:ci$`, got.Caller.UserId)
	require.Equal(t, "ValidationError", func() string {
		srv.AllowRefusals("ValidationError")
		return assume(t, srv, creds, "DurationSeconds", "3601").code()
	}(), "it is a role chain")
	mock.Add(time.Minute)
	require.Equal(t, "ExpiredToken", whoAmI(t, srv, creds).code())
}

func TestUser(t *testing.T) {
	srv := ststest.NewTest(t)
	user := srv.User()
	require.Equal(t, "arn:aws:iam::123456789012:user/alice", user.ARN)
	require.Equal(t, "alice", user.Name)
	creds, err := user.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, user.Credentials, creds)
	require.Equal(t, "123456789012", creds.AccountID)
	id, err := user.Identity(t.Context())
	require.NoError(t, err)
	require.Equal(t, creds.Identity(), id)
	got := whoAmI(t, srv, creds)
	require.Equal(t, user.ARN, got.Caller.Arn)
	require.Regexp(t, `^AIDA\w{16}$`, got.Caller.UserId)
	require.Equal(t, got.Caller, whoAmI(t, srv, srv.AddUser("alice").Credentials).Caller, "a second pair of keys")
	require.Equal(t, "InvalidClientTokenId", func() string {
		srv.AllowRefusals("InvalidClientTokenId")
		return whoAmI(t, srv, ststest.New().User().Credentials).code()
	}(), "another server's user is unknown")
}
