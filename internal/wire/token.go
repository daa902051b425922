package wire

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/refresh"
)

// Token is a token as the refresh engine sees it. The Entry of the zero Token has no ID. Use pointers,
// all of which share one instance of the generic code (10 kB of it).
type Token interface{ Entry() refresh.Entry }

// TokenSource says how to get a token.
type TokenSource[T Token] struct {
	Advisory time.Duration // how long before it expires a token is refreshed
	Now      func() time.Time

	// Load returns the newest token that is known: cached, or the one in a file
	// that other processes also write. cached is the one that was loaded or
	// refreshed last, or zero.
	Load func(ctx context.Context, cached T) (T, error)

	// Refresh returns a token that replaces old.
	Refresh func(ctx context.Context, old T) (T, error)
}

// TokenCache decides by the rules of [refresh] when a token is refreshed. It runs no goroutine:
// the caller that begins a refresh performs it, and those that need it wait.
// The zero TokenCache is empty.
type TokenCache[T Token] struct {
	_ [0]func() // nothing compares it, so no code for that is needed

	mu    sync.Mutex // no code of callers runs under it
	token T
	state refresh.State
	err   error         // of the last failed refresh, or the rejection
	began time.Time     // when the refresh in flight began, on the system clock
	ended chan struct{} // closed when it ends; nil: none is in flight
}

// expiredBackoff is the longest backoff of the engine after a failure with an
// expired token. A longer one that was chosen for a valid token is reduced to
// it.
const expiredBackoff = 5 * time.Second

// Get returns a token, refreshed if it is due. A valid token is returned even if its refresh fails.
func (c *TokenCache[T]) Get(ctx context.Context, s *TokenSource[T]) (T, error) {
	for {
		c.mu.Lock()
		cached := c.token
		c.mu.Unlock()
		t, err := s.Load(ctx, cached)
		if err != nil {
			return t, err
		}
		switch d := c.decide(s, cached, t); {
		case d.stale:
		case d.Action == refresh.Serve, d.Action == refresh.Refuse:
			return t, d.err
		case d.begins:
			if t, err = c.refresh(ctx, s, t); err == nil || ctx.Err() != nil {
				return t, err
			}
		default:
			if err := wait(ctx, d); err != nil {
				return t, err
			}
		}
	}
}

// Reject records that a service rejected the token with err. It counts as
// expired: unlike cached credentials, which other services may accept, it can
// no longer be used.
func (c *TokenCache[T]) Reject(id string, now time.Time, err error) {
	at := refresh.Nanos(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Entry.ID == id && !c.state.Rejected {
		c.state, c.err = refresh.Reject(c.state, at), err
		c.state.Entry.Expires = min(c.state.Entry.Expires, at)
		c.state.BackoffUntil = min(c.state.BackoffUntil, c.state.BackoffFrom+int64(expiredBackoff))
	}
}

// Fresh reports whether a token that another process wrote can be used without a refresh.
func (s *TokenSource[T]) Fresh(t T) bool {
	now := refresh.Nanos(s.Now())
	return refresh.Decide(s.config(), s.found(t, now), now, refresh.Need{}).Action == refresh.Serve
}

// found is the state of a token that is loaded for the first time. Its total
// lifetime is not known, so its windows are not shortened as those of a
// short-lived token are.
func (s *TokenSource[T]) found(t T, now int64) refresh.State {
	return refresh.State{Entry: t.Entry(), Received: now, Windows: refresh.WindowsFor(refresh.Never, s.Advisory, 0, 0)}
}

func (s *TokenSource[T]) config() refresh.Config { return refresh.Config{Advisory: s.Advisory} }

// decision is what a caller does.
type decision struct {
	refresh.Decision
	err    error         // of Refuse
	stale  bool          // the cached token changed since: load again
	begins bool          // the caller performs the refresh
	ended  chan struct{} // closed when the refresh in flight ends
}

// decide returns what a caller does with t, which was loaded while cached was the cached token.
func (c *TokenCache[T]) decide(s *TokenSource[T], cached, t T) decision {
	now := refresh.Nanos(s.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token.Entry() != cached.Entry() {
		return decision{stale: true}
	}
	if t.Entry() != cached.Entry() {
		c.state = s.found(t, now)
		c.state.InFlight = c.ended != nil
	}
	c.token = t
	d := decision{Decision: refresh.Decide(s.config(), c.state, now, refresh.Need{Elapsed: time.Since(c.began)})}
	switch {
	case d.Action == refresh.Serve:
	case d.Action == refresh.Refuse:
		d.err = c.err
	case c.ended == nil:
		d.begins, c.began, c.ended = true, time.Now(), make(chan struct{})
		c.state = refresh.Begin(c.state)
	}
	d.ended = c.ended
	return d
}

// refresh performs the refresh that the caller began, and ends it even if Refresh panics.
func (c *TokenCache[T]) refresh(ctx context.Context, s *TokenSource[T], old T) (t T, err error) {
	err = errors.New("the refresh panicked")
	defer func() { err = c.finish(ctx, s, t, err) }()
	return s.Refresh(ctx, old)
}

// finish takes the result of a refresh. If the caller gave up, that is not a failure.
func (c *TokenCache[T]) finish(ctx context.Context, s *TokenSource[T], t T, err error) error {
	now, class, gaveUp := refresh.Nanos(s.Now()), refresh.Transient, ctx.Err() != nil
	if errors.Is(err, stschain.ErrPermanent) {
		class = refresh.Permanent
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.ended)
	c.ended = nil
	if err == nil {
		err = problem(refresh.Check(c.state, t.Entry(), now))
	}
	switch {
	case err == nil: // without jitter: a token is refreshed for this machine only
		c.token, c.state = t, refresh.Succeed(s.config(), c.state, t.Entry(), now, [2]float64{0, rand.Float64()})
	case gaveUp:
		c.state.InFlight = false
	default:
		c.err, c.state = err, refresh.Fail(s.config(), c.state, class, now, [2]float64{rand.Float64(), rand.Float64()})
	}
	return err
}

// problem returns why a refreshed token cannot be used, or nil.
func problem(p refresh.Problem) error {
	switch p {
	case refresh.ArrivedExpired:
		return errors.New("the refreshed token has expired: check this machine's clock")
	case refresh.RejectedAgain:
		return errors.New("the refresh returned the rejected token again")
	}
	return nil
}

// wait waits until the refresh in flight ends or the caller has to decide again. The error is ctx's.
func wait(ctx context.Context, d decision) error {
	bounded, cancel := context.WithTimeout(ctx, cmp.Or(d.Patience, time.Hour))
	defer cancel()
	select {
	case <-d.ended:
	case <-bounded.Done():
	}
	if ctx.Err() != nil {
		return fmt.Errorf("waiting for the refresh that another caller began: %w", Cause(ctx, nil))
	}
	return nil
}

// Fingerprint identifies a token without showing it. It is empty for the zero Secret.
func Fingerprint(token stschain.Secret) string {
	if token.IsZero() {
		return ""
	}
	sum := sha256.Sum256([]byte(token.Reveal()))
	return hex.EncodeToString(sum[:8])
}
