package stschain_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// nosy is a provider whose String does what it should not.
type nosy struct {
	mu     sync.Mutex
	do     func(n *nosy)
	in     bool
	locked int
}

func (n *nosy) String() string {
	if !n.in {
		n.in = true
		n.do(n)
		n.in = false
	}
	return "nosy"
}

func (n *nosy) Retrieve(context.Context) (stschain.Credentials, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return key(1, time.Hour), nil
}

// String of a provider runs under no lock: neither of its own nor of the cache. Whatever it does, no caller
// waits for longer than its context allows. Found by an attack.
func TestCacheCallsStringUnderNoLock(t *testing.T) {
	var c *stschain.Cache
	for name, tt := range map[string]struct {
		do   func(n *nosy)
		fine bool // the refresh succeeds
	}{
		"asks Status": {func(*nosy) { c.Status() }, true},
		"invalidates": {func(*nosy) { c.Invalidate(stschain.Credentials{AccessKeyID: "x"}) }, true},
		"explains":    {func(*nosy) { stschain.Explain(context.Background(), stschain.Static("A", "s", "")) }, true},
		"locks":       {func(n *nosy) { n.mu.Lock(); defer n.mu.Unlock(); n.locked++ }, true},
		"panics":      {func(*nosy) { panic("oh") }, true}, // fmt survives it
		"retrieves": {func(*nosy) {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			c.Retrieve(ctx)
		}, true},
		"blocks":       {func(*nosy) { <-time.After(time.Hour) }, false},
		"calls Goexit": {func(*nosy) { runtime.Goexit() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c = &stschain.Cache{Provider: &nosy{do: tt.do}, OnEvent: func(stschain.Event) {}}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				start := time.Now()
				creds, err := c.Retrieve(ctx)
				require.LessOrEqual(t, time.Since(start), 5*time.Second)
				c.Status() // which does not wait either
				require.Equal(t, tt.fine, err == nil, err)
				if tt.fine {
					require.Equal(t, "key-1", creds.AccessKeyID)
				}
				<-time.After(2 * time.Hour)
			})
		})
	}
}

// Status calls no method of the provider, which may call Status.
func TestStatusCallsNothing(t *testing.T) {
	c := &stschain.Cache{}
	c.Provider = &nosy{do: func(n *nosy) { n.in = false; c.Status() }} // again and again
	require.Equal(t, "*stschain_test.nosy", c.Status().Origin)
}

// An error whose methods panic is a failed attempt. Found by an attack: the process ended.
func TestCacheErrorThatPanics(t *testing.T) {
	for _, bad := range []error{sour{}, bitter{[]any{1}}, errors.Join(sour{})} {
		c := &stschain.Cache{OnEvent: func(stschain.Event) {}, Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return stschain.Credentials{}, bad
		})}
		_, err := c.Retrieve(t.Context())
		require.NotNil(t, err)
		require.Equal(t, uint64(1), c.Status().Failures)
	}
}

// A source that ignores its context is called at most twice at once, and callers are told.
func TestCacheAbandonedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most, calls := 0, 0, 0
		hang := true
		src := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			mu.Lock()
			running++
			most = max(most, running)
			calls++
			stuck := hang
			mu.Unlock()
			if stuck {
				<-time.After(time.Hour)
			}
			mu.Lock()
			running--
			mu.Unlock()
			return key(calls, 2*time.Hour), nil
		})
		c := noJitter(&stschain.Cache{Provider: src, Timeout: 100 * time.Millisecond})
		for time.Now().Before(simBegin.AddDate(-26, 0, 0).Add(14 * time.Minute)) {
			_, err := c.Retrieve(t.Context())
			require.Error(t, err)
			pass(5 * time.Second)
		}
		require.Equal(t, 2, most)
		_, err := c.Retrieve(t.Context())
		require.ErrorContains(t, err, "2 earlier calls of the provider have not returned, the oldest after 14m")
		require.ErrorIs(t, err, context.DeadlineExceeded, "the last failure")

		pass(2 * time.Minute) // the oldest is 15 minutes old
		for range 100 {
			c.Retrieve(t.Context())
			pass(5 * time.Second)
		}
		require.Equal(t, 3, most)
		mu.Lock()
		hang = false
		mu.Unlock()
		pass(2 * time.Hour)
		mustGet(t, c)
		require.Equal(t, 3, most)
	})
}
