package shared_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

// A wrong configuration is a permanent error that says what to do, and no call is made.
func TestConfiguration(t *testing.T) {
	for want, change := range map[string]func(p *shared.Provider){
		"shared: Provider is required":                                         func(p *shared.Provider) { p.Provider = nil },
		"shared: Store is required":                                            func(p *shared.Provider) { p.Store = nil },
		"shared: Keys is required: 32 random bytes, the same in all processes": func(p *shared.Provider) { p.Keys = nil },
		"shared: Keys[1] has 9 bytes, and 32 random ones are required: decode it if it is hexadecimal or base64": func(p *shared.Provider) {
			p.Keys = append(p.Keys, stschain.NewSecret("too short"))
		},
		"shared: Keys[0] has 0 bytes, and 32 random ones are required: decode it if it is hexadecimal or base64": func(p *shared.Provider) {
			p.Keys = []stschain.Secret{{}}
		},
		"shared: NamingKey has 64 bytes, and 32 random ones are required: decode it if it is hexadecimal or base64": func(p *shared.Provider) {
			p.NamingKey = stschain.NewSecret(strings.Repeat("0a", 32))
		},
		"shared: NamingKey has 0 bytes, and 32 random ones are required: decode it if it is hexadecimal or base64": func(p *shared.Provider) {
			p.NamingKey = stschain.Secret{}
		},
		"shared: Lease is 50ms, and at least 100ms are required, since it is renewed":                       func(p *shared.Provider) { p.Lease = 50 * time.Millisecond },
		"shared: Lease is 1ns, and at least 100ms are required, since it is renewed":                        func(p *shared.Provider) { p.Lease = 1 },
		"shared: a Provider's durations must not be negative: Lease 0s, Wait -1ns, OpTimeout 0s, Spread 0s": func(p *shared.Provider) { p.Wait = -1 },
		"shared: stschain.ProviderFunc has no identity: it does not implement stschain.Identifier, so its credentials cannot be shared": func(p *shared.Provider) {
			p.Provider = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { panic("called") })
		},
	} {
		p := &shared.Provider{Provider: role{&fleet{t: t}, "backup"}, Store: &storetest.Memory{}, Keys: []stschain.Secret{key}, NamingKey: names}
		change(p)
		_, err := p.Retrieve(t.Context())
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		_, err = p.RetrieveFor(t.Context(), time.Hour)
		require.EqualError(t, err, want)
	}
}

// The shortest lease is renewed often enough.
func TestShortestLease(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		p.Lease = 100 * time.Millisecond
		w.get(p)
	})
}

// Other hosts cannot use a session with the default name. Processes of this one can.
func TestSessionOfHost(t *testing.T) {
	w := &fleet{t: t}
	p := w.process()
	p.Provider = ofHost{role{w, "backup"}}
	_, err := p.Retrieve(t.Context())
	require.ErrorIs(t, err, stschain.ErrPermanent)
	require.EqualError(t, err, "shared: test session-of-host=app@host: the default session name has the name of this host, so other hosts could not use the session: "+
		"set SessionName, also of the roles that assume this one")
	p.Store = local{p.Store}
	w.get(p)
}

type ofHost struct{ role }

func (ofHost) Identity(context.Context) (stschain.Identity, error) {
	return stschain.NewIdentity("test", "session-of-host=app@host"), nil
}

type local struct{ shared.Store }

func (local) Local() bool { return true }

// No key and no credentials are in the store, in errors and events, or in what fmt prints.
func TestShowsNoSecret(t *testing.T) {
	w := &fleet{t: t}
	p := w.process()
	p.OnEvent = nil
	w.get(p)
	name := w.store.Keys()[0]
	v, err := w.store.Load(t.Context(), name)
	require.NoError(t, err)
	for _, secret := range []string{"ASIA1", "secret", "token", account, "backup"} {
		require.NotContains(t, string(v.Sealed), secret)
		require.NotContains(t, name, secret)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		text := fmt.Sprintf(verb, p)
		for _, secret := range []stschain.Secret{key, names} {
			require.NotContains(t, text, secret.Reveal())
		}
	}
}

// Each identity, naming key and account has entries of its own.
func TestEntriesApart(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.get(w.process())
		for _, change := range []func(p *shared.Provider){
			func(p *shared.Provider) { p.Provider = role{w, "other"} },
			func(p *shared.Provider) { p.NamingKey = other },
		} {
			calls := w.called()
			p := w.process()
			change(p)
			w.get(p)
			require.Equal(t, calls+1, w.called())
		}
		require.Len(t, w.store.Keys(), 3)
	})
}
