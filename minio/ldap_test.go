package minio_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/minio"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func TestLDAP(t *testing.T) {
	w := newWorld(t)
	w.server.AddMinIO(ststest.MinIO{Passwords: map[string]stschain.Secret{"alice": stschain.NewSecret(password)}, ConfigName: "corp"})
	p := w.ldap()
	p.Duration, p.Policy, p.TokenRevokeType, p.ConfigName = 15*time.Minute, `{"Version":"2012-10-17"}`, "nightly", "corp"
	session, err := p.AssumeRoleWithLDAPIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, "minio ldap alice", session.Credentials.Origin)
	require.Equal(t, noon.Add(15*time.Minute), session.Credentials.Expires)
	require.NotEmpty(t, session.RequestID)
	require.Empty(t, session.AssumedUser)
	form := w.server.Calls()[0].Form
	require.Equal(t, `{"Version":"2012-10-17"}`, form.Get("Policy"))
	require.Equal(t, "nightly", form.Get("TokenRevokeType"))

	caller, ok := w.server.Caller(session.Credentials.AccessKeyID)
	require.True(t, ok)
	require.Equal(t, "arn:minio:sts:::ldap:alice", caller.ARN)
}

// TestRejectedPassword: directories lock accounts, so a password that the directory rejected is not sent again for five
// minutes. Another one is.
func TestRejectedPassword(t *testing.T) {
	w := newWorld(t)
	p := w.ldap()
	sent := "canary-wrong-1"
	p.Password = func(context.Context) (stschain.Secret, error) { return stschain.NewSecret(sent), nil }
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "the directory rejected them")
	require.ErrorIs(t, err, stschain.ErrPermanent)
	w.clock.Add(time.Minute)
	for range 3 {
		_, err = p.Retrieve(t.Context())
		require.ErrorContains(t, err, "the directory rejected this password, and it is not sent again for 4m0s, because directories lock accounts")
		require.ErrorIs(t, err, stschain.ErrPermanent)
		canary.Check(t, sent, err)
	}
	require.Len(t, w.server.Calls(), 1)
	w.clock.Add(4 * time.Minute)
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "the directory rejected them")
	require.Len(t, w.server.Calls(), 2)
	sent = password
	_, err = p.Retrieve(t.Context())
	require.NoError(t, err)

	// A clock that was set back does not make it longer.
	sent = "canary-wrong-2"
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "the directory rejected them")
	w.clock.Set(noon.AddDate(-1, 0, 0))
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "the directory rejected them")
}

// TestDirectoryErrors: InvalidParameterValue has many reasons, and those that pass are not permanent.
func TestDirectoryErrors(t *testing.T) {
	for _, test := range []struct {
		message, want string
		permanent     bool
	}{
		{`LDAP server error: LDAP auth failed for DN uid=alice: LDAP Result Code 49 "Invalid Credentials": `, "check Username and Password", true},
		{`LDAP server error: LDAP auth failed for DN uid=alice: LDAP Result Code 200 "Network Error": read tcp: connection reset`, "MinIO could not use the directory", false},
		{`LDAP server error: Unable to find user DN: LDAP Lookup Bind user invalid credentials error: LDAP Result Code 49 "Invalid Credentials": `, "the directory rejected MinIO itself", false},
		{`LDAP server error: Unable to find user DN: User DN not found for: alice`, "check Username", true},
		{`LDAP server error: LDAP Result Code 200 "Network Error": dial tcp 127.0.0.1:1: connect: connection refused`, "MinIO could not use the directory", false},
		{`LDAP server error: LDAP is not configured`, "MINIO_IDENTITY_LDAP_SERVER_ADDR", true},
		{"expecting a policy to be set for user `uid=alice` or one of their groups: `` - rejecting this request", "mc idp ldap policy attach", true},
		{"something else", "InvalidParameterValue", false},
	} {
		p := newWorld(t).ldap()
		p.Client.HTTPClient = respond(400, `<ErrorResponse><Error><Code>InvalidParameterValue</Code><Message>`+strings.ReplaceAll(test.message, "\"", "&quot;")+`</Message></Error></ErrorResponse>`)
		_, err := p.Retrieve(t.Context())
		require.ErrorContains(t, err, "minio ldap: alice: stsquery: AssumeRoleWithLDAPIdentity at minio.example:9000: 400 Bad Request: InvalidParameterValue")
		require.ErrorContains(t, err, test.want)
		require.Equal(t, test.permanent, errors.Is(err, stschain.ErrPermanent), test.message)
	}
}

// TestLDAPRefused: what cannot work is not sent.
func TestLDAPRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*minio.LDAP)
		want   string
	}{
		"client":         {func(p *minio.LDAP) { p.Client = nil }, "minio ldap: alice: Client is missing"},
		"endpoint":       {func(p *minio.LDAP) { p.Client = &stsquery.Client{Region: "eu-west-1"} }, "Client.Endpoint, the URL of the MinIO server, is missing"},
		"AWS":            {func(p *minio.LDAP) { p.Client.Endpoint = "https://sts.eu-west-1.amazonaws.com" }, "AWS does not have the operation"},
		"plain http":     {func(p *minio.LDAP) { p.Client.Endpoint = "http://minio.example:9000" }, "is plain http to \"minio.example\""},
		"user":           {func(p *minio.LDAP) { p.Username = "" }, "minio ldap: Username is missing"},
		"long user":      {func(p *minio.LDAP) { p.Username = strings.Repeat("ü", 2049) }, "Username has more than 2048 characters"},
		"password":       {func(p *minio.LDAP) { p.Password = nil }, "Password is missing"},
		"empty password": {func(p *minio.LDAP) { p.Password = returns("") }, "Password returned an empty one"},
		"line break":     {func(p *minio.LDAP) { p.Password = returns(password + "\n") }, "the password ends with a line break"},
		"control":        {func(p *minio.LDAP) { p.Password = returns(password + "\x00x") }, "LDAPPassword is a secret, with control characters"},
		"long password":  {func(p *minio.LDAP) { p.Password = returns(strings.Repeat("p", 2049)) }, "the password has more than 2048 characters"},
		"no password": {func(p *minio.LDAP) {
			p.Password = func(context.Context) (stschain.Secret, error) {
				return stschain.Secret{}, stschain.Unavailable("no file")
			}
		}, "no password: no file"},
		"short":         {func(p *minio.LDAP) { p.Duration = time.Minute }, "Duration is 1m0s, and 15m0s to 8760h0m0s are allowed"},
		"long":          {func(p *minio.LDAP) { p.Duration = 366 * 24 * time.Hour }, "Duration is 8784h0m0s"},
		"negative":      {func(p *minio.LDAP) { p.Duration = -time.Hour }, "Duration is -1h0m0s"},
		"fraction":      {func(p *minio.LDAP) { p.Duration = time.Hour + time.Millisecond }, "only whole seconds are allowed"},
		"policy":        {func(p *minio.LDAP) { p.Policy = "[]" }, "Policy is not a JSON object"},
		"version":       {func(p *minio.LDAP) { p.Policy = "{}" }, "Policy has no Version"},
		"long policy":   {func(p *minio.LDAP) { p.Policy = `{"Version":"` + strings.Repeat("x", 2048) + `"}` }, "Policy has 2062 bytes"},
		"user of lines": {func(p *minio.LDAP) { p.Username = "a\nb" }, "minio ldap: a b: Username has control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.ldap()
			test.change(p)
			_, err := p.Retrieve(t.Context())
			require.ErrorContains(t, err, test.want)
			require.False(t, stschain.IsUnavailable(err))
			canary.Check(t, password, err)
			require.Empty(t, w.server.Calls())
		})
	}
}

// TestPlainHTTP: the password is sent without TLS to loopback, and elsewhere only if that is allowed.
func TestPlainHTTP(t *testing.T) {
	w := newWorld(t)
	for endpoint, allow := range map[string]bool{"http://127.0.0.1:9000": false, "http://minio.example:9000": true} {
		p := w.ldap()
		p.Client.Endpoint, p.Client.AllowHTTP = endpoint, allow
		_, err := p.Retrieve(t.Context())
		require.NoError(t, err, endpoint)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
