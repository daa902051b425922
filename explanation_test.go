package stschain_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
)

func TestExplanationText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &member{name: "assumerole arn:aws:iam::123456789012:role/backup"}
		slow.retrieve = func(context.Context) (stschain.Credentials, error) {
			<-time.After(312 * time.Millisecond)
			creds := key(0, time.Hour)
			creds.AccessKeyID, creds.AccountID, creds.Origin = "ASIAROLE", "123456789012", slow.name
			return creds, nil
		}
		slow.below = []stschain.Provider{stschain.Cached(stschain.Static("AKIABASE", "s", ""))}
		chain := stschain.NewChain(&member{name: "env", retrieve: unavailable}, slow, &member{name: "imds\x1b[31m"})
		x := stschain.Explain(t.Context(), chain)
		require.Equal(t, `succeeded       chain
not configured    env: its variable is not set
succeeded         assumerole arn:aws:iam::123456789012:role/backup: ASIAROLE of account 123456789012, expires at 2000-01-01T01:00:00Z (in 1h0m0s), took 312ms
succeeded           static: AKIABASE, no expiry
not called        imds [31m
`, x.String())
		text, err := json.Marshal(x.Below[1])
		require.NoError(t, err)
		require.JSONEq(t, `{
			"provider": "assumerole arn:aws:iam::123456789012:role/backup", "outcome": "succeeded", "tookMs": 312,
			"credentials": {"accessKeyId": "ASIAROLE", "accountId": "123456789012", "origin": "assumerole arn:aws:iam::123456789012:role/backup", "expires": "2000-01-01T01:00:00.312Z"},
			"below": [{"provider": "static", "outcome": "succeeded", "tookMs": 0,
				"credentials": {"accessKeyId": "AKIABASE", "origin": "static"},
				"cache": {"phase": "fresh", "next": "2000-01-01T00:15:00Z", "attempts": 1, "failures": 0, "waits": 1}}]
		}`, string(text))

		multi := stschain.Explain(t.Context(), &member{name: "x", retrieve: returns(errors.New("one\n  two\r\nthree\ta"))})
		require.Equal(t, "failed          x: one; two ; three a\n", multi.String())
		old := key(1, -time.Hour)
		require.Contains(t, stschain.Explain(t.Context(), stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return old, nil })).String(), "EXPIRED at 1999-12-31T23:00:00Z")
		far := key(1, 0)
		for _, expires := range []time.Time{time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600))} {
			far.Expires = expires
			_, err = json.Marshal(stschain.Explain(t.Context(), stschain.Cached(stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return far, nil }))))
			require.NoError(t, err)
		}
	})
}

// A line has the reason of a failure, without the name of the provider, unless a line below it has the same one.
func TestExplanationReason(t *testing.T) {
	failed, absent := errors.New("no route"), stschain.Unavailable("not set")
	for name, tt := range map[string]struct {
		x    stschain.Explanation
		want string
	}{
		"name":                        {stschain.Explanation{Provider: "env", Err: errors.New("env: no route")}, "env: no route"},
		"kind of provider":            {stschain.Explanation{Provider: "profile dev", Err: errors.New("profile: no route")}, "profile dev: no route"},
		"kind and name":               {stschain.Explanation{Provider: "profile my dev", Err: errors.New("profile: my dev: no route")}, "profile my dev: no route"},
		"whole name":                  {stschain.Explanation{Provider: "profile my dev", Err: errors.New("profile my dev: no route")}, "profile my dev: no route"},
		"this package":                {stschain.Explanation{Provider: "env", Err: errors.New("stschain: env returned nothing")}, "env: returned nothing"},
		"another provider":            {stschain.Explanation{Provider: "env", Err: errors.New("imds: no route")}, "env: imds: no route"},
		"below it":                    {stschain.Explanation{Provider: "role", Err: fmt.Errorf("role: %w", failed), Below: []stschain.Explanation{{Provider: "base", Outcome: stschain.Failed, Err: failed}}}, "role"},
		"not below it":                {stschain.Explanation{Provider: "role", Err: failed, Below: []stschain.Explanation{{Provider: "base", Outcome: stschain.Succeeded}}}, "role: no route"},
		"another one is below it":     {stschain.Explanation{Provider: "role", Err: failed, Below: []stschain.Explanation{{Provider: "base", Outcome: stschain.Failed, Err: errors.New("403")}}}, "role: no route"},
		"not configured":              {stschain.Explanation{Provider: "role", Outcome: stschain.NotConfigured, Err: absent}, "role: not set"},
		"not configured, none called": {stschain.Explanation{Provider: "role", Outcome: stschain.NotConfigured, Err: absent, Below: []stschain.Explanation{{Provider: "base"}}}, "role: not set"},
		"attempts below it": {stschain.Explanation{Provider: "chain", Outcome: stschain.NotConfigured, Err: &stschain.ChainError{Attempts: []stschain.Attempt{{Provider: "base", Err: absent}}},
			Below: []stschain.Explanation{{Provider: "base", Outcome: stschain.NotConfigured, Err: absent}}}, "chain"},
	} {
		if tt.x.Outcome == 0 {
			tt.x.Outcome = stschain.Failed
		}
		line, _, _ := strings.Cut(tt.x.String(), "\n")
		require.Equal(t, fmt.Sprintf("%-14s  %s", tt.x.Outcome, tt.want), line, name)
	}
}

// Texts at their limits.
func TestExplanationLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := strings.Repeat("x", 5000)
		require.Equal(t, "failed          base: "+text[:4096-len("base: ")]+" ...\n", stschain.Explanation{Provider: "base", Outcome: stschain.Failed, Err: errors.New(text)}.String())

		for took, want := range map[time.Duration]string{
			time.Millisecond - 1:    "",
			time.Millisecond:        ", took 1ms",
			2600 * time.Microsecond: ", took 3ms",
		} {
			x := stschain.Explain(t.Context(), &leaf{"base", func(context.Context) (stschain.Credentials, error) {
				<-time.After(took)
				return stschain.Credentials{AccessKeyID: "AKIA", SecretAccessKey: stschain.NewSecret("s"), Origin: "file"}, nil
			}})
			require.Equal(t, "succeeded       base: AKIA from file, no expiry"+want+"\n", x.String())
		}

		at := time.Now()
		for life, want := range map[time.Duration]string{
			0:                       "EXPIRED at " + at.UTC().Format(time.RFC3339),
			1:                       "expires at " + at.UTC().Format(time.RFC3339) + " (in 0s)",
			time.Hour + time.Second: "expires at " + at.Add(time.Hour+time.Second).UTC().Format(time.RFC3339) + " (in 1h0m1s)",
		} {
			x := stschain.Explain(t.Context(), &leaf{"base", func(context.Context) (stschain.Credentials, error) { return key(1, life), nil }})
			require.Equal(t, "succeeded       base: key-1, "+want+"\n", x.String())
		}
	})
}

// Its JSON has the error, and no time that RFC 3339 cannot express.
func TestExplanationJSON(t *testing.T) {
	text, err := json.Marshal(stschain.Explanation{Provider: "env", Outcome: stschain.Failed, Err: errDown})
	require.NoError(t, err)
	require.JSONEq(t, `{"provider": "env", "outcome": "failed", "error": "the source is down", "tookMs": 0}`, string(text))
	for year, want := range map[int]string{
		-1:    `{"accessKeyId": "AKIA"}`,
		0:     `{"accessKeyId": "AKIA", "expires": "0000-06-01T00:00:00Z"}`,
		9999:  `{"accessKeyId": "AKIA", "expires": "9999-06-01T00:00:00Z"}`,
		10000: `{"accessKeyId": "AKIA"}`,
	} {
		text, err := json.Marshal(stschain.Explanation{Provider: "env", Outcome: stschain.Succeeded, AccessKeyID: "AKIA", Expires: time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)})
		require.NoError(t, err)
		require.JSONEq(t, `{"provider": "env", "outcome": "succeeded", "tookMs": 0, "credentials": `+want+`}`, string(text))
	}
}

// No explanation shows a secret.
func TestExplainCanary(t *testing.T) { synctest.Test(t, testExplainCanary) }

func testExplainCanary(t *testing.T) {
	const secret = "Canary/secret+key=4711"
	creds := stschain.Credentials{
		AccessKeyID: "AKIDEXAMPLE", AccountID: "123456789012", Origin: "test", Expires: time.Now().Add(time.Hour),
		SecretAccessKey: stschain.NewSecret(secret), SessionToken: stschain.NewSecret(secret),
	}
	brings := func(context.Context) (stschain.Credentials, error) { return creds, nil }
	with := func(change func(*stschain.Credentials)) func(context.Context) (stschain.Credentials, error) {
		c := creds
		change(&c)
		return func(context.Context) (stschain.Credentials, error) { return c, nil }
	}
	seen := map[stschain.Outcome]bool{}
	for _, retrieve := range []func(context.Context) (stschain.Credentials, error){
		brings, unavailable, returns(errDown), returns(errRefused), hangs,
		with(func(c *stschain.Credentials) { c.AccessKeyID = "" }),
		with(func(c *stschain.Credentials) { c.SecretAccessKey = stschain.Secret{} }),
		with(func(c *stschain.Credentials) { c.Expires = time.Unix(1, 0) }),
		func(context.Context) (stschain.Credentials, error) { return creds, errDown },
		func(context.Context) (stschain.Credentials, error) { panic(creds) },
		func(context.Context) (stschain.Credentials, error) { panic(fmt.Sprintf("%+v", creds)) },
	} {
		for _, prompts := range []bool{false, true} {
			leaf := &member{name: "leaf", retrieve: retrieve, prompts: prompts}
			cache := stschain.Cached(leaf)
			role := &member{name: "role", retrieve: brings, below: []stschain.Provider{cache}}
			chain := stschain.NewChain(&member{name: "none", retrieve: unavailable}, cache, role, stschain.Static("AKID", secret, secret))
			for _, p := range []stschain.Provider{leaf, chain, cache} {
				x := stschain.Explain(t.Context(), p)
				seen[x.Outcome] = true
				for _, b := range x.Below {
					seen[b.Outcome] = true
				}
				canary.Check(t, secret, x)
			}
			cache.Invalidate(creds)
			canary.Check(t, secret, stschain.Explain(t.Context(), cache), stschain.Explain(t.Context(), role).Err)
		}
	}
	for _, o := range []stschain.Outcome{stschain.NotCalled, stschain.Succeeded, stschain.NotConfigured, stschain.Failed, stschain.PromptRequired} {
		require.True(t, seen[o], o)
	}
}
