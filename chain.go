package stschain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Chain calls its providers in order until one is configured, and is then pinned to that
// provider for good: the identity of a program does not switch on refresh.
//
// If a provider returns an error made by [Unavailable], the next one is called. Any other error
// stops the chain, because a source that is configured and fails must not fall
// through to a weaker or a different identity. The zero Chain is unavailable.
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
	for i := range c.providers {
		p := &c.providers[i]
		if c.pinned.Load() != nil {
			break
		}
		began := time.Now()
		creds, err := attemptProvider(ctx, *p)
		switch {
		case err == nil && c.pinned.CompareAndSwap(nil, p):
			return creds, nil
		case c.pinned.Load() != nil:
			continue // a concurrent call pinned the chain
		}
		attempts = append(attempts, Attempt{name(*p), err, time.Since(began)})
		if !IsUnavailable(err) {
			return Credentials{}, &ChainError{attempts}
		}
	}
	pinned := c.pinned.Load()
	if pinned == nil {
		return Credentials{}, &ChainError{attempts}
	}
	if creds, err = attemptProvider(ctx, *pinned); err != nil { // the identity is settled: an Unavailable error is a failure, too
		return Credentials{}, fmt.Errorf("stschain: chain is pinned to %s: %w", name(*pinned), err)
	}
	return creds, nil
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
		err = ended(ctx)
	}
	if err != nil {
		return Credentials{}, err
	}
	return creds, nil
}

// Invalidate is passed on to the pinned provider.
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

// ChainError reports how a chain ended without credentials: the attempts in order. All but the
// last were unavailable.
type ChainError struct{ Attempts []Attempt }

// Unavailable reports whether every attempt was unavailable, so that the chain is too.
func (e *ChainError) Unavailable() bool { return e != nil && e.stop() == nil }

// Error has one line for each attempt.
func (e *ChainError) Error() string {
	var b strings.Builder
	switch stop := e.stop(); {
	case len(e.Attempts) == 0:
		return "stschain: the chain has no providers"
	case stop != nil:
		fmt.Fprintf(&b, "stschain: %s failed; not falling back to another identity:", stop.Provider)
	default:
		b.WriteString("stschain: no provider of the chain is configured:")
	}
	for _, a := range e.Attempts {
		prefix := a.Provider + ": "
		b.WriteString("\n  " + prefix + strings.TrimPrefix(fmt.Sprint(a.Err), prefix))
	}
	return b.String()
}

// Unwrap returns the error that stopped the chain, nil if none did.
func (e *ChainError) Unwrap() error {
	if stop := e.stop(); stop != nil {
		return stop.Err
	}
	return nil
}

// stop returns the first attempt that was not unavailable, nil if there is none.
func (e *ChainError) stop() *Attempt {
	for i := range e.Attempts {
		if !IsUnavailable(e.Attempts[i].Err) {
			return &e.Attempts[i]
		}
	}
	return nil
}
