package env_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/source/env"
)

const secret = "wJalrXUtnFEMI/hunter4711+KEY"

// from makes an environment of "NAME=value" lines.
func from(vars ...string) func(string) (string, bool) {
	m := map[string]string{}
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		m[name] = value
	}
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func TestRetrieve(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	const keys = "AWS_ACCESS_KEY_ID=AKIDEXAMPLE|AWS_SECRET_ACCESS_KEY=" + secret
	full := stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret(secret), Origin: "env"}
	with := func(change func(*stschain.Credentials)) stschain.Credentials {
		c := full
		change(&c)
		return c
	}
	for name, test := range map[string]struct {
		vars        string // separated by |
		want        stschain.Credentials
		err         string
		unavailable bool
	}{
		"nothing":             {vars: "", unavailable: true, err: "AWS_ACCESS_KEY_ID is not set"},
		"empty":               {vars: "AWS_ACCESS_KEY_ID=|AWS_SECRET_ACCESS_KEY=", unavailable: true},
		"blank":               {vars: "AWS_ACCESS_KEY_ID= |AWS_SECRET_ACCESS_KEY=\t|AWS_SESSION_TOKEN=\n", unavailable: true},
		"only what says when": {vars: "AWS_CREDENTIAL_EXPIRATION=nonsense|AWS_ACCOUNT_ID=1", unavailable: true},
		"keys":                {vars: keys, want: full},
		"white space around":  {vars: "AWS_ACCESS_KEY_ID= AKIDEXAMPLE\n|AWS_SECRET_ACCESS_KEY=" + secret + "\r\n", want: full},
		"token and account": {vars: keys + "|AWS_SESSION_TOKEN=" + secret + "|AWS_ACCOUNT_ID=123456789012", want: with(func(c *stschain.Credentials) {
			c.SessionToken, c.AccountID = stschain.NewSecret(secret), "123456789012"
		})},
		"the token's old name": {vars: keys + "|AWS_SECURITY_TOKEN=" + secret, want: with(func(c *stschain.Credentials) { c.SessionToken = stschain.NewSecret(secret) })}, // A5
		"both of its names": {vars: keys + "|AWS_SECURITY_TOKEN=old|AWS_SESSION_TOKEN=" + secret, want: with(func(c *stschain.Credentials) {
			c.SessionToken = stschain.NewSecret(secret)
		})},
		"an account with a hyphen": {vars: keys + "|AWS_ACCOUNT_ID=1234-5678-9012", want: full}, // A6: aws-c-auth
		"an account of two lines":  {vars: keys + "|AWS_ACCOUNT_ID=1\n2", want: full},

		// What is left over from other credentials configures nothing (A4).
		"secret alone":              {vars: "AWS_SECRET_ACCESS_KEY=" + secret, unavailable: true, err: "AWS_ACCESS_KEY_ID is not set, though AWS_SECRET_ACCESS_KEY is"},
		"secret alone, old":         {vars: "AWS_SECRET_KEY=" + secret, unavailable: true, err: "AWS_ACCESS_KEY_ID is not set, though AWS_SECRET_KEY is"},
		"token alone":               {vars: "AWS_SESSION_TOKEN=" + secret + "|AWS_CREDENTIAL_EXPIRATION=1999-01-01T00:00:00Z", unavailable: true, err: "AWS_ACCESS_KEY_ID is not set, though AWS_SESSION_TOKEN is"},
		"token alone, old":          {vars: "AWS_SECURITY_TOKEN=" + secret, unavailable: true, err: "though AWS_SECURITY_TOKEN is"},
		"all but the ID, malformed": {vars: "AWS_SECRET_ACCESS_KEY=a\x00b|AWS_SESSION_TOKEN=ä ö", unavailable: true, err: "AWS_ACCESS_KEY_ID is not set, though"},

		"old names":       {vars: "AWS_ACCESS_KEY=AKIDEXAMPLE|AWS_SECRET_KEY=" + secret, want: full},
		"one of each":     {vars: "AWS_ACCESS_KEY_ID=AKIDEXAMPLE|AWS_SECRET_KEY=" + secret, want: full},
		"new names first": {vars: keys + "|AWS_ACCESS_KEY=AKIDOLD|AWS_SECRET_KEY=old", want: full},
		"secret of a server at home": {vars: "AWS_ACCESS_KEY_ID=minio|AWS_SECRET_ACCESS_KEY=mypässword", want: stschain.Credentials{
			AccessKeyID: "minio", SecretAccessKey: stschain.NewSecret("mypässword"), Origin: "env",
		}},

		"expires":          {vars: keys + "|AWS_CREDENTIAL_EXPIRATION=2026-11-21T12:00:01Z", want: with(func(c *stschain.Credentials) { c.Expires = now.Add(time.Second) })},
		"with a fraction":  {vars: keys + "|AWS_CREDENTIAL_EXPIRATION=2026-11-21T12:00:00.000000001Z", want: with(func(c *stschain.Credentials) { c.Expires = now.Add(1) })},
		"with an offset":   {vars: keys + "|AWS_CREDENTIAL_EXPIRATION=2026-11-21T14:00:00+01:00", want: with(func(c *stschain.Credentials) { c.Expires = now.Add(time.Hour) })},
		"offset of 8601":   {vars: keys + "|AWS_CREDENTIAL_EXPIRATION=2026-11-21T14:00:00+0100", want: with(func(c *stschain.Credentials) { c.Expires = now.Add(time.Hour) })},
		"basic form":       {vars: keys + "|AWS_CREDENTIAL_EXPIRATION=20261121T130000Z", want: with(func(c *stschain.Credentials) { c.Expires = now.Add(time.Hour) })},
		"Python's form":    {vars: keys + "|AWS_CREDENTIAL_EXPIRATION=2026-11-21 13:00:00+00:00", want: with(func(c *stschain.Credentials) { c.Expires = now.Add(time.Hour) })}, // A12: aws-sdk-go#3324
		"blank expiration": {vars: keys + "|AWS_CREDENTIAL_EXPIRATION= ", want: full},
		"expires now":      {vars: keys + "|AWS_CREDENTIAL_EXPIRATION=2026-11-21T12:00:00Z", err: "AWS_CREDENTIAL_EXPIRATION is 2026-11-21T12:00:00Z, which is in the past: the credentials have expired"},
		"past":             {vars: keys + "|AWS_CREDENTIAL_EXPIRATION=2025-11-21T12:00:00Z", err: "AWS_CREDENTIAL_EXPIRATION is"},
		"no zone":          {vars: keys + "|AWS_CREDENTIAL_EXPIRATION=2026-11-21T14:00:00", err: "AWS_CREDENTIAL_EXPIRATION is not a valid time"},
		"a word":           {vars: keys + "|AWS_CREDENTIAL_EXPIRATION=soon", err: "AWS_CREDENTIAL_EXPIRATION is not a valid time"},

		"no secret":        {vars: "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", err: "AWS_SECRET_ACCESS_KEY is not set"},
		"white space":      {vars: "AWS_ACCESS_KEY_ID=AKIDEXAMPLE|AWS_SECRET_ACCESS_KEY=" + secret + " x", err: "AWS_SECRET_ACCESS_KEY contains white space"},
		"key and token":    {vars: "AWS_ACCESS_KEY_ID=AKIDEXAMPLE|AWS_SESSION_TOKEN=" + secret, err: "AWS_SECRET_ACCESS_KEY is not set"},
		"two lines":        {vars: "AWS_ACCESS_KEY_ID=AKID\nEXAMPLE|AWS_SECRET_ACCESS_KEY=" + secret, err: "AWS_ACCESS_KEY_ID contains control characters"},
		"two lines, old":   {vars: "AWS_ACCESS_KEY=AKID\nEXAMPLE|AWS_SECRET_ACCESS_KEY=" + secret, err: "AWS_ACCESS_KEY contains control characters"},
		"two words":        {vars: "AWS_ACCESS_KEY_ID=AKID EXAMPLE|AWS_SECRET_ACCESS_KEY=" + secret, err: "AWS_ACCESS_KEY_ID contains spaces"},
		"secret with NUL":  {vars: "AWS_ACCESS_KEY_ID=AKID|AWS_SECRET_ACCESS_KEY=" + secret + "\x00x", err: "AWS_SECRET_ACCESS_KEY contains control characters"},
		"token in letters": {vars: keys + "|AWS_SESSION_TOKEN=ä" + secret, err: "AWS_SESSION_TOKEN contains spaces"},
	} {
		t.Run(name, func(t *testing.T) {
			fake := clock.NewMock()
			fake.Set(now)
			p := &env.Provider{LookupEnv: from(strings.Split(test.vars, "|")...), Clock: fake}
			got, err := p.Retrieve(t.Context())
			if test.err == "" && !test.unavailable {
				require.NoError(t, err)
				require.True(t, test.want.Expires.Equal(got.Expires), "%v", got.Expires)
				got.Expires = test.want.Expires
				require.Equal(t, test.want, got)
				return
			}
			require.ErrorContains(t, err, test.err)
			require.True(t, strings.HasPrefix(err.Error(), "env: "))
			require.Equal(t, stschain.Credentials{}, got)
			canary.Check(t, secret, err)
			if test.unavailable {
				require.True(t, stschain.IsUnavailable(err), "%v", err)
				require.NotErrorIs(t, err, stschain.ErrPermanent)
			} else {
				require.False(t, stschain.IsUnavailable(err), "%v", err)
				require.ErrorIs(t, err, stschain.ErrPermanent)
			}
		})
	}
}

// The environment is read at each Retrieve.
func TestReadWhenAsked(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION", "AWS_ACCOUNT_ID"} {
		t.Setenv(name, "")
	}
	p := &env.Provider{}
	_, err := p.Retrieve(t.Context())
	require.True(t, stschain.IsUnavailable(err), "%v", err)

	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	t.Setenv("AWS_CREDENTIAL_EXPIRATION", time.Now().Add(time.Hour).Format(time.RFC3339))
	got, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIDEXAMPLE", got.AccessKeyID)
	require.WithinDuration(t, time.Now().Add(time.Hour), got.Expires, time.Minute)
	require.Equal(t, "env", fmt.Sprint(p))
	canary.Check(t, secret, p, got)
}

// In a chain an environment without keys is passed over, and one with half of
// them is not.
func TestInAChain(t *testing.T) {
	next := stschain.Static("AKIDNEXT", "secret", "")
	got, err := stschain.NewChain(&env.Provider{LookupEnv: from()}, next).Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIDNEXT", got.AccessKeyID)

	_, err = stschain.NewChain(&env.Provider{LookupEnv: from("AWS_ACCESS_KEY_ID=AKIDEXAMPLE")}, next).Retrieve(t.Context())
	require.ErrorContains(t, err, "AWS_SECRET_ACCESS_KEY is not set")
}

// Whatever stands in the variables, the result can be used, or is an error that
// shows none of it.
func FuzzRetrieve(f *testing.F) {
	f.Add("AKIDEXAMPLE", secret, "token", "2026-11-21T12:00:00Z", "123456789012")
	f.Add("", "", "", "", "")
	f.Add("a b", "\x00", "ä", "20261121T130000Z", "\n")
	f.Fuzz(func(t *testing.T, id, key, token, expires, account string) {
		p := &env.Provider{LookupEnv: from("AWS_ACCESS_KEY_ID="+id, "AWS_SECRET_ACCESS_KEY="+key, "AWS_SESSION_TOKEN="+token,
			"AWS_CREDENTIAL_EXPIRATION="+expires, "AWS_ACCOUNT_ID="+account)}
		c, err := p.Retrieve(t.Context())
		if err != nil {
			if len(key) > 20 && strings.Contains(err.Error(), key) {
				t.Fatalf("%q shows %q", err, key)
			}
			return
		}
		if c.AccessKeyID == "" || c.SecretAccessKey.IsZero() {
			t.Fatalf("incomplete: %v", c)
		}
		for _, s := range []string{c.AccessKeyID, c.SessionToken.Reveal(), c.AccountID} {
			if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Fatalf("%q cannot be sent", s)
			}
		}
	})
}

func ExampleProvider() {
	p := &env.Provider{LookupEnv: from( // leave it out to read the real environment
		"AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY="+secret,
	)}
	creds, err := stschain.NewChain(p).Retrieve(context.Background())
	fmt.Println(creds.AccessKeyID, creds.SecretAccessKey, creds.Origin, err)
	// Output: AKIDEXAMPLE [redacted] env <nil>
}
