package shared_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

func TestProviderNames(t *testing.T) {
	below := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { panic("called") })
	require.Equal(t, "shared stschain.ProviderFunc", (&shared.Provider{Provider: below}).String())
	p := &shared.Provider{Provider: role{name: "backup"}}
	require.Equal(t, "shared role backup", p.String())
	require.Equal(t, []stschain.Provider{p.Provider}, p.Providers())
}

// A trace shows the call, and how it ended.
func TestTrace(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		var begun, ended []stschain.Step
		ctx := stschain.WithTrace(t.Context(), &stschain.Trace{
			Begin: func(ctx context.Context, s stschain.Step) context.Context { begun = append(begun, s); return ctx },
			End:   func(_ context.Context, s stschain.Step) { ended = append(ended, s) },
		})
		p := w.process()
		creds, err := p.Retrieve(ctx)
		require.NoError(t, err)
		require.Len(t, begun, 1)
		require.Same(t, p, begun[0].Provider)
		require.Len(t, ended, 1)
		require.Equal(t, "shared role backup", ended[0].Name)
		require.Equal(t, "ASIA1", ended[0].AccessKeyID)
		require.Equal(t, creds.Expires, ended[0].Expires)

		p = w.process()
		p.Keys = nil
		_, err = p.Retrieve(ctx)
		require.Len(t, ended, 2)
		require.Equal(t, err, ended[1].Err)
	})
}

// By default a lease lasts for 2 s, and a process waits 5 s for others that make no progress.
func TestDefaultTimes(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		p.SetRandom(func() uint64 { return 0 }) // no spread
		_, err := w.store.Lease(t.Context(), w.keyOf(p), "another", false, time.Hour)
		require.NoError(t, err)
		began := time.Now()
		require.Equal(t, "ASIA1", w.get(p))
		require.InDelta(t, 5.1, time.Since(began).Seconds(), 0.1)

		w.store.Flush()
		p = w.process()
		var leases []time.Duration
		p.Store = ttlSpy{p.Store, &leases}
		w.get(p)
		require.Equal(t, []time.Duration{2 * time.Second}, leases)
	})
}

type ttlSpy struct {
	shared.Store
	leases *[]time.Duration
}

func (s ttlSpy) Lease(ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
	*s.leases = append(*s.leases, ttl)
	return s.Store.Lease(ctx, key, owner, pause, ttl)
}

// The account that credentials must have is that of the role, if there is one, or the one that is configured.
func TestAccount(t *testing.T) {
	for name, tt := range map[string]struct{ field, account, want string }{
		"of a role":                 {"role=arn:aws:iam::123456789012:role/x", "", "123456789012"},
		"of a role with a path":     {"role=arn:aws-cn:iam::123456789012:role/team/x", "", "123456789012"},
		"configured":                {"role=arn:aws:iam::123456789012:role/x", "999999999999", ""},
		"configured, without role":  {"user=x", "123456789012", "123456789012"},
		"any":                       {"user=x", "", ""},
		"any, with colons":          {"user=a:b:c:123456789012:e", "", ""},
		"malformed, short":          {"role=arn:aws:iam::12345678901:role/x", "", ""},
		"malformed, no resource":    {"role=arn:aws:iam::123456789012", "", ""},
		"malformed, nothing at all": {"role=arn:", "", ""},
	} {
		bubble(t, func(t *testing.T, w *fleet) {
			p := w.process()
			p.Provider, p.Account = described{foreign{role{w, "x"}}, tt.field}, tt.account
			creds, err := p.Retrieve(t.Context())
			if tt.want != "" {
				require.EqualError(t, err, "shared: shared role x returned credentials of account 999999999999, and "+tt.want+" is required", name)
				return
			}
			require.NoError(t, err, name)
			require.Equal(t, "999999999999", creds.AccountID, name)
		})
	}
}

// described has an identity with this field.
type described struct {
	foreign
	field string
}

func (d described) Identity(context.Context) (stschain.Identity, error) {
	return stschain.NewIdentity("test", d.field), nil
}

func TestRetrieveForTooLong(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.life = 59*time.Minute + 57*time.Second
		_, err := w.process().RetrieveFor(t.Context(), time.Hour)
		require.EqualError(t, err, "shared: credentials from role are valid for another 59m57s, and 1h0m0s are required: require less, or configure a longer duration")
	})
}

// While the store is away, a process with credentials calls the provider once, at a time that it draws, until the
// mandatory window begins. Then it draws again for the new ones.
func TestDirectIsDrawn(t *testing.T) {
	const rest = 59 * time.Minute
	for name, tt := range map[string]struct {
		spread, random, at time.Duration
	}{
		"somewhere":             {0, 10 * time.Minute, 10 * time.Minute},
		"when the window ends":  {0, rest, rest},
		"not later":             {0, rest + 1, 0},
		"configured":            {20 * time.Minute, 20 * time.Minute, 20 * time.Minute},
		"not later, configured": {20 * time.Minute, 20*time.Minute + 1, 0},
		"before they expire":    {2 * time.Hour, time.Hour + 1, 0},
	} {
		bubble(t, func(t *testing.T, w *fleet) {
			w.fault = always(storetest.Down)
			p := w.process()
			p.Spread = tt.spread
			p.SetRandom(func() uint64 { return uint64(tt.random) })
			require.Equal(t, "ASIA1", w.get(p), name)
			for _, next := range []string{"ASIA1", "ASIA2"} {
				began := time.Now()
				if tt.at > 0 {
					require.Equal(t, next, w.get(p), name)
					after(tt.at - 1)
					require.Equal(t, next, w.get(p), name)
					after(1)
				}
				w.get(p)
				require.Equal(t, tt.at, time.Since(began), name)
			}
			require.Equal(t, 3, w.called(), name)
		})
	}
}

// If the wall clock was set back by a second or more, credentials end by the monotonic clock.
func TestClockSetBackBy(t *testing.T) {
	for back, end := range map[time.Duration]time.Duration{
		time.Second - 1: time.Hour + time.Second - 1,
		time.Second:     time.Hour,
		time.Minute:     time.Hour,
		time.Hour:       0, // they never expire
	} {
		bubble(t, func(t *testing.T, w *fleet) {
			clock := &wallClock{began: time.Now()}
			w.fault = always(storetest.Down)
			w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
				creds := w.credentials(n)
				if creds.Expires = clock.Now().Round(0).Add(time.Hour); end == 0 {
					creds.Expires = time.Time{}
				}
				if n > 1 {
					return stschain.Credentials{}, errors.New("503")
				}
				return creds, nil
			}
			p := w.process()
			p.Clock = clock
			p.SetRandom(func() uint64 { return 0 }) // no spread
			require.Equal(t, "ASIA1", w.get(p))
			clock.offset.Store(int64(-back))
			if end == 0 {
				after(48 * time.Hour)
				require.Equal(t, "ASIA1", w.get(p))
				return
			}
			after(end - 1)
			require.Equal(t, "ASIA1", w.get(p), back)
			after(1)
			require.EqualError(t, w.fails(p), "shared: 503", back)
		})
	}
}

// After a failure the store is not used for exactly 5 s, unless the clock was set back. Once it works, each attempt uses it.
func TestStoreCircuitTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		clock := &setClock{}
		p.Clock = clock
		p.SetRandom(func() uint64 { return 0 }) // no spread
		uses := func() int {
			w.did()
			w.get(p)
			ops, _ := w.did()
			return len(ops)
		}
		w.fault = always(storetest.Down)
		require.Equal(t, 1, uses())
		clock.add(5*time.Second - 1)
		require.Zero(t, uses())
		clock.add(1)
		require.Equal(t, 1, uses())
		clock.add(-1)
		require.Equal(t, 1, uses(), "the clock was set back")

		w.fault = nil
		require.Zero(t, uses())
		clock.add(5 * time.Second)
		require.NotZero(t, uses())
		require.NotZero(t, uses())
	})
}

// setClock is set by the test.
type setClock struct{ offset atomic.Int64 }

func (c *setClock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

func (c *setClock) add(d time.Duration) { c.offset.Add(int64(d)) }

// Rejected credentials are reported to the provider, if it is an Invalidator; none are not.
func TestInvalidatePasses(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		var rejected []string
		p := w.process()
		p.Provider = invalidator{role{w, "backup"}, &rejected}
		p.Invalidate(stschain.Credentials{})
		require.Empty(t, rejected)
		p.Invalidate(w.credentials(7))
		require.Equal(t, []string{"ASIA7"}, rejected)
	})
}

type invalidator struct {
	role
	rejected *[]string
}

func (i invalidator) Invalidate(creds stschain.Credentials) {
	*i.rejected = append(*i.rejected, creds.AccessKeyID)
}

// A rejection is remembered for 36 h, which no credentials outlast.
func TestRejectionIsRemembered(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		id, err := p.Identity(t.Context())
		require.NoError(t, err)
		stored := func() shared.Store { // ASIAGOOD, as if it were new
			return &fixed{shared.Value{Sealed: p.Seal(id, 7, func(*shared.Record) {}), Left: time.Hour, Generation: 7}}
		}
		p.Invalidate(stschain.Credentials{AccessKeyID: "ASIAGOOD"})
		after(36 * time.Hour)
		p.Invalidate(w.credentials(7))
		p.Store = stored()
		require.ErrorContains(t, w.fails(p), "were rejected")
		after(1)
		p.Invalidate(w.credentials(8))
		p.Store = stored()
		require.Equal(t, "ASIAGOOD", w.get(p))
	})
}
