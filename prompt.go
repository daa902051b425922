package stschain

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// ErrPrompt is returned by a provider that needs an interactive prompt where none is possible.
// See [Prompt].
var ErrPrompt = errors.New("stschain: interactive prompt required; background refreshes do not prompt")

// Prompt must be called by a provider before it prompts the user, such as for an MFA code or a sign-in in a
// browser. It returns [ErrPrompt] in a background refresh, in [Explain], and under [WithoutPrompt]. The provider
// then returns that error, wrapped or not.
// Otherwise Prompt returns nil, and extends the refresh of each [Cache] that waits for this provider from 30 s
// to 5 minutes. A Cache.Timeout that is set stays in effect.
//
// If a provider prompts without calling Prompt, a Cache calls it in background refreshes too,
// when the user does not expect it, and gives up after 30 s.
func Prompt(ctx context.Context) error {
	if cannotPrompt(ctx) {
		return ErrPrompt
	}
	for a := attemptOf(ctx); a != nil; a = a.above {
		a.prompt()
	}
	return nil
}

type noPromptKey struct{}

// WithoutPrompt returns a context under which [Prompt] returns [ErrPrompt].
func WithoutPrompt(ctx context.Context) context.Context {
	return context.WithValue(ctx, noPromptKey{}, true)
}

func cannotPrompt(ctx context.Context) bool { return ctx.Value(noPromptKey{}) == true }

const (
	defaultTimeout = 30 * time.Second
	promptTimeout  = 5 * time.Minute
)

// attempt is one refresh of a Cache, and the context that the provider gets. It has the values of the
// context of the caller that began it, and its own deadline, which Prompt moves. The cache drops it when it
// ends, so no caller can join an attempt that has ended.
type attempt struct {
	values   context.Context
	cache    *Cache
	earlier  *attempt      // of the same Cache, whose call has not returned either
	above    *attempt      // of another Cache, whose provider began this one; nil: none
	quiet    bool          // it cannot prompt
	atLeast  time.Duration // that its first caller requires
	began    time.Time     // on the system clock
	slot     *slot         // of a Pool
	limit    atomic.Int64
	timer    *time.Timer
	callers  singleflight.Group // that wait; joined under the lock of the cache
	done     chan struct{}
	err      atomic.Pointer[error] // set before done is closed
	once     sync.Once
	prompted chan struct{} // closed by the first prompt
	notes    notes         // for the event
}

type attemptKey struct{}

func attemptOf(ctx context.Context) *attempt {
	a, _ := ctx.Value(attemptKey{}).(*attempt)
	return a
}

func newAttempt(ctx context.Context, c *Cache, above *attempt, quiet bool) *attempt {
	if quiet {
		ctx = WithoutPrompt(ctx)
	}
	a := &attempt{values: context.WithoutCancel(ctx), cache: c, above: above, quiet: quiet, began: time.Now(), done: make(chan struct{}), prompted: make(chan struct{})}
	limit := cmp.Or(c.Timeout, defaultTimeout)
	a.limit.Store(int64(limit))
	a.timer = time.AfterFunc(limit, func() { a.end(context.DeadlineExceeded) })
	return a
}

// prompt moves the deadline, unless Cache.Timeout is set, and notifies the callers that wait.
func (a *attempt) prompt() {
	a.once.Do(func() {
		close(a.prompted)
		if a.cache.Timeout == 0 && a.timer.Stop() {
			a.limit.Store(int64(promptTimeout))
			a.timer.Reset(promptTimeout - time.Since(a.began))
		}
	})
}

func (a *attempt) timeout() time.Duration { return time.Duration(a.limit.Load()) }

func (a *attempt) Deadline() (time.Time, bool) { return a.began.Add(a.timeout()), true }

func (a *attempt) Done() <-chan struct{} { return a.done }

func (a *attempt) Err() error {
	if err := a.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (a *attempt) end(err error) {
	if a.err.CompareAndSwap(nil, &err) {
		close(a.done)
	}
}

func (a *attempt) Value(key any) any {
	if key == (attemptKey{}) {
		return a
	}
	return a.values.Value(key)
}
