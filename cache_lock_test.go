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

// String of a provider is called without a lock. Whatever it does, no caller waits for longer than its context allows.
func TestCacheCallsStringUnderNoLock(t *testing.T) {
	var c *stschain.Cache
	var own sync.Mutex
	for name, tt := range map[string]struct {
		do   func()
		fine bool // the refresh succeeds
	}{
		"calls Status": {func() { c.Status() }, true},
		"invalidates":  {func() { c.Invalidate(stschain.Credentials{AccessKeyID: "x"}) }, true},
		"explains":     {func() { stschain.Explain(context.Background(), stschain.Static("A", "s", "")) }, true},
		"locks":        {func() { own.Lock(); defer own.Unlock() }, true},
		"panics":       {func() { panic("oops") }, true}, // fmt recovers
		"retrieves": {func() {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			c.Retrieve(ctx)
		}, true},
		"blocks":       {func() { <-time.After(time.Hour) }, false},
		"calls Goexit": {runtime.Goexit, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c = &stschain.Cache{Provider: &rude{"String", tt.do}, OnEvent: func(stschain.Event) {}}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				start := time.Now()
				creds, err := c.Retrieve(ctx)
				require.LessOrEqual(t, time.Since(start), 5*time.Second)
				c.Status() // which does not wait either
				require.Equal(t, tt.fine, err == nil, err)
				require.Equal(t, tt.fine, creds.AccessKeyID == "key-1")
				<-time.After(2 * time.Hour)
			})
		})
	}
}

// Status calls no method of the provider, which may call Status.
func TestStatusCallsNothing(t *testing.T) {
	c := &stschain.Cache{}
	c.Provider = &rude{"String", func() { c.Status() }}
	require.Equal(t, "*stschain_test.rude", c.Status().Origin)
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

// At most two calls of a source that ignores its context run at once, and callers get an error that says so.
// While the oldest is under 15 minutes old, no third one begins.
func TestCacheAbandonedCalls(t *testing.T) {
	script(t, &stschain.Cache{Timeout: 100 * time.Millisecond}, "source ignores its context; 168x fail any, pass 4800ms; most 2",
		"fail 2 earlier calls of the provider have not returned, the oldest after 13m27s, so it is not called again; fail deadline", // the last failure
		"pass 2m; fail any; pass 1s; fail any; most 3; source works; pass 30m; get any; most 3")
}
