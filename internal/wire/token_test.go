package wire_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/refresh"
	"github.com/stschain-go/stschain/internal/wire"
)

type token struct {
	id      string
	expires time.Time
}

func (t token) Entry() refresh.Entry {
	return refresh.Entry{ID: t.id, Expires: refresh.Expiry(t.expires)}
}

// tokens is a cache whose token expires at noon, and the file and the service behind it. The service
// returns tokens new1, new2 ... that are valid for an hour.
type tokens struct {
	wire.TokenCache[token]
	clock   *clock.Mock
	source  wire.TokenSource[token]
	file    token
	fails   error
	returns *token // instead of a new one
	calls   int
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newTokens(left time.Duration) *tokens {
	w := &tokens{clock: clock.NewMock(), file: token{"old", noon}}
	w.clock.Set(noon.Add(-left))
	w.source = wire.TokenSource[token]{
		Advisory: 5 * time.Minute, Now: func() time.Time { return w.clock.Now() },
		Load: func(context.Context, token) (token, error) { return w.file, nil },
		Refresh: func(context.Context, token) (token, error) {
			w.calls++
			switch {
			case w.fails != nil:
				return token{}, w.fails
			case w.returns != nil:
				return *w.returns, nil
			}
			w.file = token{fmt.Sprint("new", w.calls), w.clock.Now().Add(time.Hour)}
			return w.file, nil
		},
	}
	return w
}

func (w *tokens) get(t *testing.T) (string, error) {
	got, err := w.Get(t.Context(), &w.source)
	return got.id, err
}

func (w *tokens) reject(id string) {
	w.Reject(id, w.clock.Now(), errors.New("401"))
}

// A token is refreshed from 5 minutes before it expires, and used until then if that fails.
func TestTokenWindow(t *testing.T) {
	for _, test := range []struct {
		left            time.Duration
		refreshed, used bool
	}{
		{time.Hour, false, true},
		{5*time.Minute + 1, false, true},
		{5 * time.Minute, true, true},
		{time.Minute, true, true},
		{1, true, true},
		{0, true, false},
		{-time.Hour, true, false},
	} {
		t.Run(test.left.String(), func(t *testing.T) {
			w := newTokens(test.left)
			got, err := w.get(t)
			require.NoError(t, err)
			require.Equal(t, test.refreshed, got == "new1")
			require.Equal(t, !test.refreshed, w.source.Fresh(token{"other", noon}))

			w = newTokens(test.left)
			w.fails = stschain.Permanent(errors.New("refused"))
			got, err = w.get(t)
			if test.used {
				require.NoError(t, err)
				require.Equal(t, "old", got)
				return
			}
			require.ErrorIs(t, err, w.fails)
		})
	}
}

// The pauses between attempts are those of the engine. They do not depend on jitter at these times.
func TestTokenAttempts(t *testing.T) {
	type step struct {
		at     time.Duration // before noon
		reject string
		fails  bool // the service
		calls  int  // since the last step
		want   string
		err    string
	}
	const s, ms = time.Second, time.Millisecond
	for name, steps := range map[string][]step{
		"failures": {
			{at: 300 * s, fails: true, calls: 1, want: "old"},
			{at: 180*s + ms, fails: true, want: "old"},
			{at: 180 * s, fails: true, calls: 1, want: "old"}, // half of what was left to the mandatory window
			{at: 120*s + ms, fails: true, want: "old"},
			{at: 120 * s, fails: true, calls: 1, want: "old"},
			{at: 30 * s, fails: true, calls: 1, want: "old"},
			{at: 29*s + ms, fails: true, want: "old"}, // 1 to 5 s
			{at: 25 * s, fails: true, calls: 1, want: "old"},
			{at: 0, fails: true, calls: 1, err: "down"},
			{at: -s + ms, err: "down"}, // remembered for 1 to 5 s
			{at: -5 * s, calls: 1, want: "new7"},
		},
		"refreshed tokens": {
			{at: 0, calls: 1, want: "new1"},
			{at: -55*time.Minute + ms, want: "new1"}, // no jitter
			{at: -55 * time.Minute, calls: 1, want: "new2"},
		},
		"the clock is set back": {
			{at: -5 * s, fails: true, calls: 1, err: "down"},
			{at: 60 * s, fails: true, calls: 1, want: "old"},
		},
		"rejected": {
			{at: time.Hour, want: "old"},
			{at: time.Hour, reject: "another", want: "old"},
			{at: time.Hour, reject: "old", calls: 1, want: "new1"},
		},
		"rejected, and the refresh fails": {
			{at: time.Hour, want: "old"},
			{at: time.Hour, reject: "old", fails: true, calls: 1, err: "down"},
			{at: time.Hour - s + ms, err: "down"},
			{at: time.Hour - s + ms, reject: "old", err: "down"}, // it is known already
			{at: time.Hour - 5*s, calls: 1, want: "new2"},
		},
		"rejected during a backoff": {
			{at: 300 * s, fails: true, calls: 1, want: "old"},
			{at: 299 * s, reject: "old", err: "401"},
			{at: 295 * s, calls: 1, want: "new2"},
		},
		"rejected again and again": {
			{at: 0, calls: 1, want: "new1"},
			{at: 0, reject: "new1", err: "401"}, // at most one attempt a second
			{at: -s, calls: 1, want: "new2"},
			{at: -2*s + ms, reject: "new2", err: "401"}, // and now after 1 to 5 s
			{at: -6 * s, calls: 1, want: "new3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTokens(0)
			for n, step := range steps {
				w.clock.Set(noon.Add(-step.at))
				w.fails = nil
				if step.fails {
					w.fails = errors.New("down")
				}
				if step.reject != "" {
					w.reject(step.reject)
				}
				before := w.calls
				got, err := w.get(t)
				require.Equal(t, step.calls, w.calls-before, "step %d", n)
				if step.err != "" {
					require.EqualError(t, err, step.err, "step %d", n)
					continue
				}
				require.NoError(t, err, "step %d", n)
				require.Equal(t, step.want, got, "step %d", n)
			}
		})
	}
}

// Without a token a failure is remembered for 1 to 5 s if it is permanent, else for 0.1 to 1 s.
func TestTokenNone(t *testing.T) {
	for _, test := range []struct {
		err         error
		least, most time.Duration
	}{
		{errors.New("down"), 100 * time.Millisecond, time.Second},
		{stschain.Permanent(errors.New("refused")), time.Second, 5 * time.Second},
	} {
		w := newTokens(0)
		w.file, w.fails = token{}, test.err
		for n, step := range []struct {
			wait  time.Duration
			calls int
		}{{0, 1}, {test.least - 1, 1}, {test.most, 2}} {
			w.clock.Add(step.wait)
			_, err := w.get(t)
			require.Equal(t, test.err, err)
			require.Equal(t, step.calls, w.calls, "step %d", n)
		}
	}
}

// A token that another process leaves during a refresh is used at once.
func TestTokenReplacedDuringRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTokens(0)
		ends := make(chan struct{})
		w.source.Refresh = func(context.Context, token) (token, error) {
			<-ends
			return token{}, errors.New("refused")
		}
		var all sync.WaitGroup
		all.Go(func() {
			if got, err := w.get(t); err != nil || got != "other" {
				t.Errorf("%s, %v", got, err)
			}
		})
		synctest.Wait()
		w.file = token{"other", noon.Add(3 * time.Minute)} // a refresh of it is due
		began := time.Now()
		got, err := w.get(t)
		require.NoError(t, err)
		require.Equal(t, "other", got)
		require.Zero(t, time.Since(began))
		close(ends)
		all.Wait()
	})
}

// A token that cannot be used does not replace the cached one.
func TestTokenUnusable(t *testing.T) {
	for name, test := range map[string]struct {
		returns token
		err     string
	}{
		"expired":  {token{"new", noon.Add(-time.Hour)}, "the refreshed token has expired: check this machine's clock"},
		"rejected": {token{"old", noon.Add(time.Hour)}, "the refresh returned the rejected token again"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTokens(time.Hour)
			_, err := w.get(t)
			require.NoError(t, err)
			w.returns = &test.returns
			w.reject("old")
			_, err = w.get(t)
			require.EqualError(t, err, test.err)
		})
	}
}

// A service whose tokens are short-lived is not called for each of them.
func TestTokenShortLived(t *testing.T) {
	w := newTokens(0)
	w.returns = &token{"short", noon.Add(time.Minute)}
	w.file = token{"old", noon}
	w.source.Load = func(_ context.Context, cached token) (token, error) { return cached, nil }
	for _, calls := range []int{1, 1, 1} {
		got, err := w.get(t)
		require.NoError(t, err)
		require.Equal(t, "short", got)
		require.Equal(t, calls, w.calls)
	}
}

// What another process did counts at once, also during a backoff.
func TestTokenReplaced(t *testing.T) {
	w := newTokens(0)
	w.fails = errors.New("down")
	_, err := w.get(t)
	require.ErrorIs(t, err, w.fails)
	for _, replacement := range []token{{"other", noon.Add(time.Hour)}, {"other", noon.Add(2 * time.Hour)}} {
		w.file = replacement
		got, err := w.Get(t.Context(), &w.source)
		require.NoError(t, err)
		require.Equal(t, replacement, got)
	}
	require.Equal(t, 1, w.calls)

	gone := errors.New("no file")
	w.source.Load = func(context.Context, token) (token, error) { return token{}, gone }
	_, err = w.get(t)
	require.ErrorIs(t, err, gone)
}

// Callers share a refresh. While the token is valid they hardly wait for it.
func TestTokenCallers(t *testing.T) {
	for _, test := range []struct{ left, waits time.Duration }{
		{5 * time.Minute, 0},
		{time.Minute, 5 * time.Second},
		{0, 10 * time.Second},
	} {
		t.Run(test.left.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTokens(test.left)
				refresh := w.source.Refresh
				w.source.Refresh = func(ctx context.Context, old token) (token, error) {
					<-time.After(10 * time.Second)
					return refresh(ctx, old)
				}
				began := time.Now()
				var all sync.WaitGroup
				all.Go(func() { _, _ = w.get(t) })
				synctest.Wait()
				for range 20 {
					all.Go(func() {
						got, err := w.get(t)
						if want := map[bool]string{true: "new1", false: "old"}[test.left == 0]; err != nil || got != want || time.Since(began) != test.waits {
							t.Errorf("%s, %v after %v", got, err, time.Since(began))
						}
					})
				}
				all.Wait()
				require.Equal(t, 1, w.calls)
			})
		})
	}
}

// A caller that gives up gets that error. That is not a failure: another caller refreshes the token.
func TestTokenCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTokens(0)
		first := make(chan struct{}, 1)
		first <- struct{}{}
		w.source.Refresh = func(ctx context.Context, _ token) (token, error) {
			select {
			case <-first:
				<-ctx.Done()
				return token{}, ctx.Err()
			default:
				return token{"new", noon.Add(time.Hour)}, nil
			}
		}
		gone := errors.New("the user closed the tab")
		leader, leave := context.WithCancelCause(t.Context())
		waiter, stop := context.WithCancelCause(t.Context())
		errs := make(chan error)
		get := func(ctx context.Context) { _, err := w.Get(ctx, &w.source); errs <- err }
		go get(leader)
		synctest.Wait()
		go get(waiter)
		go get(t.Context())
		synctest.Wait()
		stop(gone)
		err := <-errs
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, gone)
		require.ErrorContains(t, err, "waiting for the refresh that another caller began")
		leave(gone)
		require.ElementsMatch(t, []error{context.Canceled, nil}, []error{<-errs, <-errs})
	})
}

// A refresh that panics is a failed one.
func TestTokenPanic(t *testing.T) {
	w := newTokens(time.Minute)
	refreshes := w.source.Refresh
	w.source.Refresh = func(context.Context, token) (token, error) { panic("a bug") }
	require.PanicsWithValue(t, "a bug", func() { _, _ = w.get(t) })
	got, err := w.get(t)
	require.NoError(t, err)
	require.Equal(t, "old", got)
	w.source.Refresh = refreshes
	w.clock.Add(5 * time.Second)
	got, err = w.get(t)
	require.NoError(t, err)
	require.Equal(t, "new1", got)
}

// A token that was loaded before the cached one was refreshed does not replace it.
func TestTokenLoadedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTokens(0)
		w.source.Load = func(_ context.Context, cached token) (token, error) { return cached, nil }
		late := w.source
		loads := make(chan struct{})
		late.Load = func(_ context.Context, cached token) (token, error) {
			<-loads
			return cached, nil
		}
		got := make(chan string)
		go func() {
			t, _ := w.Get(context.Background(), &late)
			got <- t.id
		}()
		synctest.Wait()
		_, err := w.get(t)
		require.NoError(t, err)
		close(loads)
		require.Equal(t, "new1", <-got)
		require.Equal(t, 1, w.calls)
	})
}

// unlocked is an error and a context that use the cache.
type unlocked struct {
	context.Context
	use func()
}

func (u unlocked) Error() string { return "down" }
func (u unlocked) Is(error) bool { u.use(); return false }
func (u unlocked) Err() error    { u.use(); return nil }

// Nothing of others runs while the cache is locked.
func TestTokenLock(t *testing.T) {
	w := newTokens(0)
	use := func() { w.Reject("another", noon, nil) }
	now, load := w.source.Now, w.source.Load
	w.source.Now = func() time.Time { use(); return now() }
	w.source.Load = func(ctx context.Context, cached token) (token, error) { use(); return load(ctx, cached) }
	w.source.Refresh = func(context.Context, token) (token, error) { use(); return token{}, unlocked{use: use} }
	_, err := w.Get(unlocked{t.Context(), use}, &w.source)
	require.EqualError(t, err, "down")
}

func TestFingerprint(t *testing.T) {
	require.Empty(t, wire.Fingerprint(stschain.Secret{}))
	// By sha256sum.
	require.Equal(t, "2c26b46b68ffc68f", wire.Fingerprint(stschain.NewSecret("foo")))
}
