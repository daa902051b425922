package stschain_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
)

func TestSecret(t *testing.T) {
	for _, s := range []string{"", "a", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", strings.Repeat("0123456789", 500), "\x00\xff", "ä"} {
		secret := stschain.NewSecret(s)
		require.Equal(t, s, secret.Reveal())
		require.Equal(t, s == "", secret.IsZero())
		require.True(t, secret == stschain.NewSecret(strings.Clone(s)))
		require.Equal(t, secret, stschain.NewSecret(s))
		require.NotEqual(t, secret, stschain.NewSecret(s+"x"))
	}
	require.Equal(t, stschain.Secret{}, stschain.NewSecret(""))
	require.Equal(t, "[redacted] [redacted] [redacted]", fmt.Sprintf("%v %#v %x", stschain.NewSecret("s"), stschain.NewSecret("s"), stschain.Secret{}))
	s := stschain.NewSecret("s")
	require.Equal(t, []string{"[redacted]", "[redacted]", "[redacted]"}, []string{s.String(), s.GoString(), s.LogValue().String()})
}

// What was redacted on the way out must not come back as a secret.
func TestSecretDoesNotUnmarshal(t *testing.T) {
	data, err := json.Marshal(key(1, time.Hour))
	require.NoError(t, err)
	require.Contains(t, string(data), `"SecretAccessKey":"[redacted]"`)
	var back stschain.Credentials
	require.Error(t, json.Unmarshal(data, &back))
}

func FuzzSecret(f *testing.F) {
	f.Add("", "")
	f.Add("secret", "Secret")
	const long = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	f.Add(long, "")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := stschain.NewSecret(a), stschain.NewSecret(b)
		if a == long { // others may be a part of any text
			canary.Check(t, a, x)
		}
		if x.Reveal() != a || y.Reveal() != b || (x == y) != (a == b) {
			t.Errorf("%q, %q", a, b)
		}
	})
}

// No value of this package prints a secret that was put into it (external-secrets#6683).
func TestCanary(t *testing.T) { synctest.Test(t, testCanary) }

func testCanary(t *testing.T) {
	const secret = "Canary/secret+key=4711"
	creds := stschain.Credentials{
		AccessKeyID: "AKIDEXAMPLE", Origin: "test", Expires: time.Now().Add(time.Hour),
		SecretAccessKey: stschain.NewSecret(secret), SessionToken: stschain.NewSecret(secret),
	}
	var mu sync.Mutex
	var events []any
	var log bytes.Buffer
	logged := stschain.LogEvents(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	next := func() (stschain.Credentials, error) { return creds, nil }
	cache := &stschain.Cache{
		Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return next() }),
		MaxStale: time.Hour,
		OnEvent: func(e stschain.Event) {
			mu.Lock()
			defer mu.Unlock()
			logged(e)
			events = append(events, e)
		},
	}
	chain := stschain.NewChain(stschain.Static("", "", ""), cache)
	static := stschain.Static("AKIDEXAMPLE", secret, secret)
	var r recorder
	_, err := chain.Retrieve(stschain.WithTrace(t.Context(), r.trace()))
	require.NoError(t, err)
	synctest.Wait() // Check reads the fields of the cache
	for _, step := range r.steps {
		canary.Check(t, secret, step, &step)
	}
	canary.Check(t, secret, creds, &creds, creds.SecretAccessKey, &creds.SecretAccessKey, static, stschain.NewChain(static),
		cache.Status(), map[stschain.Credentials]stschain.Secret{creds: creds.SecretAccessKey}, []stschain.Credentials{creds})
	canary.Check(t, secret, cache, chain)

	absent := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return creds, stschain.Unavailable("credentials: %+v", creds)
	})
	_, err = stschain.NewChain(absent, stschain.NewChain(absent, stschain.Static("", "", "")), stschain.Cached(absent)).Retrieve(t.Context())
	none, ok := errors.AsType[*stschain.ChainError](err)
	require.True(t, ok)
	require.Len(t, none.Attempts, 3)
	canary.Check(t, secret, err, none, *none, none.Attempts, none.Attempts[0])

	<-time.After(10 * time.Second) // after the pause between attempts
	next = func() (stschain.Credentials, error) { panic(fmt.Errorf("credentials: %v", creds)) }
	cache.Invalidate(creds)
	_, err = cache.Retrieve(t.Context())
	require.NoError(t, err, "the rejected ones are better than none")
	synctest.Wait()
	status := cache.Status()
	require.ErrorContains(t, status.Err, "panicked")
	canary.Check(t, secret, status, &status, status.Err, cache)

	// Failures and panics of a provider that has the credentials.
	for _, fault := range []func() (stschain.Credentials, error){
		func() (stschain.Credentials, error) { return creds, nil },
		func() (stschain.Credentials, error) { return creds, errors.New("down") },
		func() (stschain.Credentials, error) { panic(creds) },
		func() (stschain.Credentials, error) { panic(fmt.Sprintf("%+v", creds)) },
		func() (stschain.Credentials, error) { c := creds; c.AccessKeyID = ""; return c, nil },
		func() (stschain.Credentials, error) { c := creds; c.Expires = time.Unix(1, 0); return c, nil },
	} {
		next = fault
		broken := &stschain.Cache{Provider: cache.Provider, OnEvent: cache.OnEvent}
		_, err := broken.Retrieve(t.Context())
		if err != nil {
			canary.Check(t, secret, err)
		}
		_, err = broken.RetrieveFor(t.Context(), 48*time.Hour)
		canary.Check(t, secret, err, broken.Status())
	}
	for _, incomplete := range []stschain.Provider{
		stschain.Static("", secret, ""), stschain.Static("", "", secret), stschain.Static("", secret, secret),
	} {
		_, err := stschain.NewChain(incomplete).Retrieve(t.Context())
		canary.Check(t, secret, err, incomplete)
	}
	synctest.Wait()
	mu.Lock()
	defer mu.Unlock()
	require.NotEmpty(t, events)
	canary.Check(t, secret, events...)
	canary.CheckText(t, secret, log.String())
}
