package stschain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain/internal/system"
)

// Chain calls its providers in order until one is configured, and is then pinned to that
// provider: the identity of a program does not switch on refresh.
//
// If a provider returns an error made by [Unavailable], the next one is called. Any other error
// stops the chain, because a source that is configured and fails must not fall
// through to another identity. The zero Chain is unavailable.
type Chain struct {
	providers []Provider
	pinned    atomic.Pointer[Provider]
}

// NewChain returns a chain of the providers, which are called in this order.
func NewChain(providers ...Provider) *Chain {
	return &Chain{providers: slices.Clone(providers)}
}

// Retrieve returns the credentials of the first provider that is configured. Its errors are
// [*ChainError], except those of the pinned provider.
func (c *Chain) Retrieve(ctx context.Context) (creds Credentials, err error) {
	ctx, end := Step{Provider: c}.Start(ctx)
	defer func() { end(creds, err) }()
	var attempts []Attempt
	stopped := false
	for i := 0; i < len(c.providers) && !stopped && c.pinned.Load() == nil; i++ {
		p, began := &c.providers[i], time.Now()
		creds, err := attemptProvider(ctx, *p)
		if err == nil && c.pinned.CompareAndSwap(nil, p) {
			return creds, nil
		}
		attempts = append(attempts, Attempt{name(*p), err, time.Since(began)})
		stopped = !IsUnavailable(err)
	}
	pinned := c.pinned.Load() // a concurrent call may have pinned the chain
	if pinned == nil {
		return Credentials{}, &ChainError{attempts}
	}
	if creds, err = attemptProvider(ctx, *pinned); err != nil { // the identity is decided, so an Unavailable error is a failure too
		return Credentials{}, fmt.Errorf("stschain: chain is pinned to %s: %w", name(*pinned), err)
	}
	return creds, nil
}

// Identity returns an error: on another machine another provider may be configured.
func (c *Chain) Identity(context.Context) (Identity, error) {
	return Identity{}, Permanent(errors.New("stschain: a Chain has no identity: it may pick another provider on another machine. Use the provider itself"))
}

// attemptProvider calls one provider. If ctx is done, an Unavailable error is replaced by the context
// error, because the provider may have been cut short.
func attemptProvider(ctx context.Context, p Provider) (creds Credentials, err error) {
	if p == nil {
		return Credentials{}, errors.New("provider is nil")
	}
	ctx, end := Step{Provider: p}.Start(ctx)
	defer func() { end(creds, err) }()
	creds, err = p.Retrieve(ctx)
	if err == nil {
		err = creds.complete()
	}
	if ctx.Err() != nil && IsUnavailable(err) {
		err = system.ContextErr(ctx)
	}
	return creds, err
}

// Invalidate passes the rejection on to the pinned provider.
func (c *Chain) Invalidate(rejected Credentials) {
	if pinned := c.pinned.Load(); pinned != nil {
		if i, ok := (*pinned).(Invalidator); ok {
			i.Invalidate(rejected)
		}
	}
}

// Providers returns the chain's providers in order.
func (c *Chain) Providers() []Provider { return slices.Clone(c.providers) }

// String returns "chain".
func (c *Chain) String() string { return "chain" }

// Attempt is the call of one provider of a chain.
type Attempt struct {
	Provider string // its name
	Err      error
	Took     time.Duration
}

// ChainError reports why a chain returned no credentials: its attempts in order. All but the
// last were unavailable.
type ChainError struct{ Attempts []Attempt }

// Unavailable reports whether every attempt was unavailable, so that the chain is too.
func (e *ChainError) Unavailable() bool {
	_, stopped := e.stop()
	return !stopped
}

// Error has one line for each attempt.
func (e *ChainError) Error() string {
	text := "stschain: no provider of the chain is configured:"
	stop, stopped := e.stop()
	switch {
	case len(e.Attempts) == 0:
		return "stschain: the chain has no providers"
	case stopped:
		text = fmt.Sprintf("stschain: %s failed; not falling back to another identity:", stop.Provider)
	}
	for _, a := range e.Attempts {
		prefix := a.Provider + ": "
		text += "\n  " + prefix + strings.TrimPrefix(fmt.Sprint(a.Err), prefix)
	}
	return text
}

// Unwrap returns the error that stopped the chain, nil if none did.
func (e *ChainError) Unwrap() error {
	stop, _ := e.stop()
	return stop.Err
}

// stop returns the first attempt that was not unavailable, if there is one.
func (e *ChainError) stop() (Attempt, bool) {
	for _, a := range e.Attempts {
		if !IsUnavailable(a.Err) {
			return a, true
		}
	}
	return Attempt{}, false
}
