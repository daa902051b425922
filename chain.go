package stschain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain/internal/hide"
)

// Chain asks its providers in order until one applies, and then keeps to it for
// good: the identity of a program does not switch on refresh.
//
// A provider that answers [ErrUnavailable] is passed over. Any other error stops
// the chain, because a source that is configured and fails must not fall
// through to a weaker or a different identity. The zero Chain has nobody to ask
// and answers ErrUnavailable.
type Chain struct {
	providers []Provider
	kept      atomic.Pointer[Provider]
}

// NewChain returns a chain of the providers, asked in this order.
func NewChain(providers ...Provider) *Chain {
	return &Chain{providers: slices.Clone(providers)}
}

// Retrieve answers with the first provider that applies. Its errors are
// [*ChainError], except those of the provider that was kept.
func (c *Chain) Retrieve(ctx context.Context) (Credentials, error) {
	return c.RetrieveVia(ctx, directly)
}

// RetrieveVia is Retrieve, with the providers asked by ask; see [Delegator].
func (c *Chain) RetrieveVia(ctx context.Context, ask Ask) (Credentials, error) {
	var attempts []Attempt
	for i := range c.providers {
		if kept := c.kept.Load(); kept != nil {
			return ask.kept(ctx, *kept)
		}
		p := &c.providers[i]
		started := time.Now()
		creds, err := ask.believed(ctx, *p)
		switch {
		case err == nil && c.kept.CompareAndSwap(nil, p):
			return creds, nil
		case c.kept.Load() != nil:
			continue // somebody decided meanwhile: answer with that one
		}
		attempts = append(attempts, Attempt{name(*p), err, time.Since(started)})
		if !errors.Is(err, ErrUnavailable) {
			return Credentials{}, &ChainError{attempts}
		}
	}
	if kept := c.kept.Load(); kept != nil {
		return ask.kept(ctx, *kept)
	}
	return Credentials{}, &ChainError{attempts}
}

// believed is one provider's turn. What it says while ctx is done is not believed:
// the answer may be late, not absent.
func (ask Ask) believed(ctx context.Context, p Provider) (Credentials, error) {
	if p == nil {
		return Credentials{}, errors.New("provider is nil")
	}
	creds, err := ask(ctx, p)
	if err == nil {
		err = creds.complete()
	}
	if err != nil && ctx.Err() != nil && errors.Is(err, ErrUnavailable) {
		err = ended(ctx)
	}
	if err != nil {
		return Credentials{}, err
	}
	return creds, nil
}

// kept hides ErrUnavailable: the identity is settled, and a chain around
// this one must not go on to another.
func (ask Ask) kept(ctx context.Context, p Provider) (Credentials, error) {
	creds, err := ask.believed(ctx, p)
	if err != nil {
		return creds, fmt.Errorf("stschain: chain keeps to %s: %w", name(p), hide.Sentinel(err, ErrUnavailable))
	}
	return creds, nil
}

// ended tells that ctx is over, and why.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == nil || cause == err {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// Invalidate tells the provider that was kept, if it wants to know.
func (c *Chain) Invalidate(rejected Credentials) {
	if kept := c.kept.Load(); kept != nil {
		if i, ok := (*kept).(Invalidator); ok {
			i.Invalidate(rejected)
		}
	}
}

// Providers returns the chain's providers in order.
func (c *Chain) Providers() []Provider { return slices.Clone(c.providers) }

// String returns "chain".
func (c *Chain) String() string { return "chain" }

// Attempt is what one provider of a chain answered.
type Attempt struct {
	Provider string
	Err      error
	Took     time.Duration
}

// ChainError tells how a chain ended without credentials. If every provider was
// unavailable, then so is the chain: errors.Is(err, [ErrUnavailable]), and chains
// nest. Otherwise the last attempt stopped it, and only that one is wrapped.
type ChainError struct{ Attempts []Attempt }

// Error has one line for each attempt.
func (e *ChainError) Error() string {
	var b strings.Builder
	switch stop := e.stop(); {
	case len(e.Attempts) == 0:
		return "stschain: the chain has no providers"
	case stop != nil:
		fmt.Fprintf(&b, "stschain: %s failed, and no other identity may stand in for it:", stop.Provider)
	default:
		b.WriteString("stschain: no provider of the chain applies here:")
	}
	for _, a := range e.Attempts {
		text := fmt.Sprint(a.Err)
		if prefix := a.Provider + ": "; !strings.HasPrefix(text, prefix) {
			text = prefix + text
		}
		b.WriteString("\n  " + text)
	}
	return b.String()
}

// Unwrap returns the error that stopped the chain, or all if none did.
func (e *ChainError) Unwrap() []error {
	if stop := e.stop(); stop != nil {
		return []error{stop.Err}
	}
	errs := []error{ErrUnavailable}
	for _, a := range e.Attempts {
		errs = append(errs, a.Err)
	}
	return errs
}

// stop is the attempt that stopped the chain, nil if it ran to its end.
func (e *ChainError) stop() *Attempt {
	if n := len(e.Attempts); n > 0 && !errors.Is(e.Attempts[n-1].Err, ErrUnavailable) {
		return &e.Attempts[n-1]
	}
	return nil
}
