package shared

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
)

// run performs the operations of one attempt.
type run struct {
	attempt
	p     *Provider
	ctx   context.Context
	entry entry
	owner string
	began time.Time // the epoch of the attempt

	value  stschain.Credentials // of attempt.Value
	result stschain.Credentials // of attempt.Result
	err    error                // of the provider
}

// now is on the attempt's time, which neither the Clock nor the wall clock of the process moves.
func (r *run) now() time.Duration { return time.Since(r.began) }

func (r *run) retrieve() (stschain.Credentials, error) {
	r.began = time.Now()
	next := r.begin(0)
	if !r.p.storeWorks(r.p.now()) {
		r.Down = true
		next = r.direct()
	}
	for {
		if err := system.ContextErr(r.ctx); err != nil && next.Op < returnValue && r.Phase != closing && r.Phase != saving {
			return r.giveUp(err)
		}
		switch next.Op {
		case opLoad:
			next = r.load()
		case opLease:
			next = r.lease(next)
		case opRevoke:
			next = r.revoke(next.Generation)
		case opSave:
			next = r.store(next.Generation)
		case opCall:
			next = r.call()
		case opDirect:
			creds := r.valid()
			wait, now := r.p.waitDirect(creds, r.p.now())
			if !now {
				return r.done(creds, Loaded)
			}
			r.emit(Direct, creds, nil)
			if err := system.Sleep(r.ctx, wait); err != nil {
				return r.giveUp(err)
			}
			next = r.directed()
		case opSleep:
			// Half of it is random, so that those that wait do not load at once.
			if err := system.Sleep(r.ctx, next.Wait/2+r.p.upTo(next.Wait/2)); err != nil {
				return r.giveUp(err)
			}
			next = action{Op: opLoad}
		case returnValue:
			return r.done(r.value, Loaded)
		case returnResult:
			return r.done(r.result, Refreshed)
		case returnFailure:
			return stschain.Credentials{}, fmt.Errorf("shared: %w", r.err)
		case failPaused:
			return stschain.Credentials{}, fmt.Errorf("shared: %s: another process could not refresh the credentials, and the next attempt is allowed in %v", r.entry.identity, next.Wait.Round(time.Millisecond))
		case failYoung:
			return stschain.Credentials{}, fmt.Errorf("shared: %s: the credentials in the store were rejected, or have expired by this machine's clock, less than %v after they were issued; they are not replaced for another %v",
				r.entry.identity, young, next.Wait.Round(time.Millisecond))
		}
	}
}

// done returns credentials, if they are still good.
func (r *run) done(creds stschain.Credentials, kind EventKind) (stschain.Credentials, error) {
	if err := r.p.keep(creds); err != nil {
		return stschain.Credentials{}, err
	}
	if r.err != nil || kind == Loaded && r.Value.Kind != usable { // they are what the process had, perhaps
		return creds, nil
	}
	r.emit(kind, creds, nil)
	if kind == Loaded {
		stschain.Note(r.ctx, func() string { return "shared: another process obtained the credentials" })
	}
	return creds, nil
}

func (r *run) giveUp(err error) (stschain.Credentials, error) {
	if r.Leads { // so that no other process waits for it
		_, _ = r.leaseOp(context.WithoutCancel(r.ctx), false, 0)
	}
	return stschain.Credentials{}, fmt.Errorf("shared: %s: waiting for the store, or for another process: %w", r.entry.identity, err)
}

func (r *run) emit(kind EventKind, creds stschain.Credentials, err error) {
	if r.p.OnEvent != nil {
		r.p.OnEvent(Event{kind, r.p.now(), r.entry.identity.String(), creds.Expires, err})
	}
}

// valid returns the later one of the value that was loaded and the credentials that the process has, if it can be
// used now, for as long as required: the attempt may have taken long. Otherwise it returns none.
func (r *run) valid() stschain.Credentials {
	now := r.p.now()
	creds, ok := r.p.lastGood()
	if r.Value.Kind == usable && !r.isRejected(r.Value.ID) && (!ok || r.value.Expires.After(creds.Expires)) {
		creds, ok = r.value, true
	}
	if !ok || creds.ExpiredAt(now) || !creds.Expires.IsZero() && creds.Expires.Sub(now) < r.Rules.AtLeast {
		return stschain.Credentials{}
	}
	return creds
}

// isRejected reports whether a service rejected the access key, as this process saw.
func (r *run) isRejected(id string) bool {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	_, is := r.p.rejected[id]
	return is
}

// operate bounds an operation of the store, and records whether it worked.
func (r *run) operate(ctx context.Context, op func(ctx context.Context) error) error {
	timeout := r.p.OpTimeout
	if timeout == 0 {
		timeout = 250 * time.Millisecond
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := op(bounded)
	if errors.Is(err, ErrMissing) {
		err = nil
	}
	if ctx.Err() != nil && err != nil { // the caller left: that says nothing about the store
		return err
	}
	r.p.storeResult(err, r.p.now())
	if err != nil {
		r.emit(StoreFailed, stschain.Credentials{}, err)
	}
	return err
}

func (r *run) load() action {
	var v Value
	var missing bool
	ctx := r.ctx
	if r.result.AccessKeyID != "" { // a Save was refused: the result is shared, even if the caller left
		ctx = context.WithoutCancel(ctx)
	}
	err := r.operate(ctx, func(ctx context.Context) (err error) {
		v, err = r.p.Store.Load(ctx, r.entry.name)
		missing = errors.Is(err, ErrMissing)
		return err
	})
	if err != nil {
		return r.failed()
	}
	seen := view{Generation: v.Generation}
	var creds stschain.Credentials
	if !missing {
		seen, creds = r.look(v)
	}
	had := r.Value
	next := r.loaded(seen)
	if r.Value != had {
		r.value = creds
	}
	return next
}

// look opens a value, and decides what it is for this process.
func (r *run) look(v Value) (view, stschain.Credentials) {
	seen := view{Generation: v.Generation}
	rec, err := r.p.sealer.open(r.entry, v)
	if err != nil {
		r.emit(Unusable, stschain.Credentials{}, fmt.Errorf("shared: the value in the store cannot be used: %w", err))
		return seen, stschain.Credentials{}
	}
	// Neither clock can make the credentials last longer.
	now := r.p.now().Round(0)
	expires := now.Add(v.Left)
	if rec.Ends.Before(expires) {
		expires = rec.Ends
	}
	creds := rec.credentials(expires)
	seen.Kind, seen.ID, seen.Life, seen.Left = usable, rec.AccessKeyID, rec.Life, v.Left
	seen.Until = r.now() + expires.Sub(now)
	last, has := r.p.lastGood()
	switch {
	case r.isRejected(rec.AccessKeyID):
		seen.Kind = rejected
	case !now.Before(expires):
		seen.Kind = ended
	case has && last.AccessKeyID != rec.AccessKeyID && (last.Expires.IsZero() || expires.Add(gain).Before(last.Expires)):
		seen.Kind = missing
	}
	return seen, creds
}

func (r *run) lease(next action) action {
	ctx := r.ctx
	if r.Phase == closing {
		ctx = context.WithoutCancel(ctx)
	}
	l, err := r.leaseOp(ctx, next.Pause, next.TTL)
	if err != nil {
		return r.failed()
	}
	return r.leased(l, l.Owner == r.owner, r.now())
}

func (r *run) leaseOp(ctx context.Context, pause bool, ttl time.Duration) (l Lease, err error) {
	err = r.operate(ctx, func(ctx context.Context) (err error) {
		l, err = r.p.Store.Lease(ctx, r.entry.name, r.owner, pause, ttl)
		return err
	})
	return l, err
}

func (r *run) revoke(generation uint64) action {
	err := r.operate(r.ctx, func(ctx context.Context) error { return r.p.Store.Revoke(ctx, r.entry.name, generation) })
	if err != nil {
		return r.failed()
	}
	r.emit(Revoked, stschain.Credentials{}, nil)
	return r.revoked()
}

func (r *run) store(generation uint64) action {
	v, err := r.p.sealer.seal(r.entry, r.result, generation, r.p.now())
	var kept bool
	if err == nil {
		err = r.operate(context.WithoutCancel(r.ctx), func(ctx context.Context) (err error) {
			kept, err = r.p.Store.Save(ctx, r.entry.name, r.owner, v)
			return err
		})
	}
	if err != nil {
		return r.failed()
	}
	return r.saved(kept, r.now())
}

// call calls the provider, and renews the lease meanwhile.
func (r *run) call() action {
	defer r.renew()() // also if the provider panics
	creds, err := r.p.Provider.Retrieve(r.ctx)
	if err == nil {
		err = r.check(creds)
	}
	if err != nil {
		r.err = err
		r.emit(RefreshFailed, stschain.Credentials{}, err)
		r.value = r.valid()
		if r.value.AccessKeyID != "" {
			r.Value.Kind = usable
		} else {
			r.Value.Kind = missing
		}
		backoff := time.Second + r.p.upTo(4*time.Second)
		if creds.ExpiredAt(r.p.now()) { // by the clock of this machine only, perhaps
			backoff = young
		}
		prompt, left := errors.Is(err, stschain.ErrPrompt), errors.Is(r.ctx.Err(), context.Canceled)
		return r.refused(!prompt && !left, backoff)
	}
	if r.result = creds; creds.AccountID == "" {
		r.result.AccountID = r.entry.account
	}
	now := r.p.now()
	left := creds.Expires.Sub(now)
	return r.called(view{Until: r.now() + left}, !creds.Expires.IsZero() && left <= maxLife, r.now())
}

// check finds out whether a result may be returned.
func (r *run) check(creds stschain.Credentials) error {
	malformed := cmp.Or( // no process could use them
		redact.MalformedID("the access key ID", creds.AccessKeyID),
		redact.Malformed("the secret access key", creds.SecretAccessKey.Reveal()),
		redact.Malformed("the session token", creds.SessionToken.Reveal()))
	switch account := r.entry.account; {
	case creds.AccessKeyID == "" || creds.SecretAccessKey.IsZero():
		return fmt.Errorf("%s returned no complete credentials and no error", r.p)
	case malformed != nil:
		return fmt.Errorf("%s: %w", r.p, malformed)
	case creds.ExpiredAt(r.p.now()):
		return fmt.Errorf("%s returned credentials that expired at %s: check the clock of this machine", r.p, creds.Expires.UTC().Format(time.RFC3339))
	case account != "" && creds.AccountID != "" && creds.AccountID != account:
		return stschain.Permanent(fmt.Errorf("%s returned credentials of account %s, and %s is required", r.p, redact.OneLine(creds.AccountID, 20), account))
	}
	return nil
}

// renew keeps the lease until the function that it returns is called, which waits for a renewal in flight: it
// must not take the lease again after the attempt has given it up.
func (r *run) renew() (stop func()) {
	if r.Direct {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticks := time.Tick(r.Rules.Lease / 3)
		for {
			select {
			case <-done:
				return
			case <-ticks:
				_, _ = r.leaseOp(context.WithoutCancel(r.ctx), false, r.Rules.Lease)
			}
		}
	})
	return func() { close(done); wg.Wait() }
}
