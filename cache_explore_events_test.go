package stschain_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/refresh"
)

// worldEvent is something that happens.
type worldEvent struct {
	name     string
	possible func(*world) bool // nil: always
	do       func(*world)
}

var events = slices.Concat(callEvents(), timeEvents(), resultEvents(), rejectEvents())

func callEvents() []worldEvent {
	few := func(w *world) bool { return len(w.calls) < 2 }
	ended, end := context.WithCancel(context.Background())
	end()
	call := func(name string, ctx context.Context, atLeast time.Duration) worldEvent {
		return worldEvent{name, few, func(w *world) { w.call(ctx, name, atLeast) }}
	}
	return []worldEvent{
		call("retrieve", context.Background(), 0),
		call(quietCall, stschain.WithoutPrompt(context.Background()), 0),
		call("retrieve-for", context.Background(), worldLife-time.Minute),
		call("retrieve-ended", ended, 0),
		{"cancel", func(w *world) bool { return len(w.calls) > 0 }, func(w *world) {
			w.calls[0].gaveUp = true
			w.calls[0].cancel()
		}},
	}
}

func timeEvents() []worldEvent {
	set := func(name string, by time.Duration) worldEvent {
		return worldEvent{name, func(w *world) bool { return !w.sets[name] }, func(w *world) {
			w.sets[name], w.off, w.disturb = true, w.off+by, time.Now().Add(1)
		}}
	}
	return []worldEvent{
		{"boundary", func(w *world) bool { return w.boundary() > 0 }, func(w *world) { w.pass(w.boundary()) }},
		{"before-boundary", func(w *world) bool { return w.boundary() > 1 }, func(w *world) { w.pass(w.boundary() - 1) }},
		{"second", nil, func(w *world) { w.pass(time.Second) }},
		set("back", -worldSet),
		set("forward", worldSet),
	}
}

func resultEvents() []worldEvent {
	result := func(name string, a func(w *world) worldResult) worldEvent {
		return worldEvent{name, func(w *world) bool { return w.running > 0 }, func(w *world) { w.returns(a(w)) }}
	}
	brings := func(name string, life time.Duration) worldEvent {
		return result(name, func(w *world) worldResult { return worldResult{creds: w.newCredentials(life)} })
	}
	fails := func(name string, err error) worldEvent {
		return result(name, func(*world) worldResult { return worldResult{err: err} })
	}
	again := func(name string, expires func(*world) time.Time) worldEvent {
		e := result(name, func(w *world) worldResult {
			creds := w.cached
			creds.Expires = expires(w)
			return worldResult{creds: creds}
		})
		e.possible = func(w *world) bool { return w.running > 0 && w.cached.AccessKeyID != "" }
		return e
	}
	return []worldEvent{
		brings("ok", worldLife),
		brings("short", 30*time.Second),
		brings("never", 0),
		fails("fail", errDown),
		fails("permanent", stschain.Permanent(errDown)),
		fails("prompt", stschain.ErrPrompt),
		again("same", (*world).expires),
		again("extended", func(w *world) time.Time { return w.Now().Round(0).Add(worldLife) }),
		result("expired", func(w *world) worldResult {
			creds := w.newCredentials(time.Second)
			creds.Expires = creds.Expires.Add(-2 * time.Second)
			return worldResult{creds: creds}
		}),
	}
}

func rejectEvents() []worldEvent {
	return []worldEvent{
		{"reject", func(w *world) bool { return w.cached.AccessKeyID != "" }, func(w *world) {
			if !w.rejected {
				w.cached.Expires, w.cachedOff = w.expires(), w.off
				w.rejected, w.tried = true, false
			}
			w.c.Invalidate(w.cached)
		}},
		{"reject-other", nil, func(w *world) { w.c.Invalidate(stschain.Credentials{AccessKeyID: "other"}) }},
		{"reject-previous", func(w *world) bool { return w.previous != "" }, func(w *world) {
			w.c.Invalidate(stschain.Credentials{AccessKeyID: w.previous})
		}},
	}
}

// boundary is how long it is until something changes by itself; 0: nothing does.
func (w *world) boundary() time.Duration {
	in := w.c.Inside()
	s := in.State
	at := []int64{s.BackoffUntil, s.RejectFrom}
	add := func(d time.Duration) { at = append(at, in.Now+int64(d)) }
	if e := s.Entry.Expires; s.Holding() && e == refresh.Never {
		at = append(at, s.Received+int64(15*time.Minute))
	} else if s.Holding() {
		at = append(at, e-int64(s.Windows.Advisory), e-int64(s.Windows.Mandatory), e, e+int64(w.maxStale))
	}
	if s.InFlight {
		add(5*time.Second - in.Elapsed)
		add(w.timeout() - in.Elapsed)
	}
	for _, m := range w.calls {
		add(5*time.Second - time.Since(m.began))
	}
	at = slices.DeleteFunc(at, func(t int64) bool { return t <= in.Now || t == refresh.Never })
	if len(at) == 0 {
		return 0
	}
	return time.Duration(slices.Min(at) - in.Now)
}

// key is all that decides what happens next. Two worlds with one key go on alike.
func (w *world) key() string {
	in := w.c.Inside()
	s := in.State
	rel := func(t int64) string {
		switch d := t - in.Now; {
		case t == refresh.Never, t == refresh.Always, t == 0:
			return fmt.Sprint(t)
		case d <= 0: // of the past, only a clock that goes back sees more
			return fmt.Sprint(time.Duration(d).Truncate(time.Second))
		default:
			return fmt.Sprint(time.Duration(d))
		}
	}
	var b strings.Builder
	times := []string{rel(s.Entry.Expires), rel(s.Received), rel(s.BackoffFrom), rel(s.BackoffUntil), rel(s.RejectFrom), rel(in.From), rel(in.Until)}
	holding := s.Holding()
	s.Entry, s.Received, s.BackoffFrom, s.BackoffUntil, s.RejectFrom = refresh.Entry{}, 0, 0, 0, 0
	fmt.Fprintf(&b, "%v %+v %v quiet=%v elapsed=%v ", holding, s, times, in.Quiet, in.Elapsed)
	fmt.Fprintf(&b, "%v%v%v%v %v%v%v ", errors.Is(in.Err, errDown), errors.Is(in.Err, stschain.ErrPermanent), errors.Is(in.Err, stschain.ErrPrompt), in.Err == nil,
		w.sets, w.lag(), w.cachedOff-w.off)
	fmt.Fprintf(&b, "%v%v%v%v%v%v%v%v %v", w.failed, w.tried, w.rejected, w.refused, w.raised, w.quiet, w.previous != "", min(w.failures, 2), min(time.Since(w.ended), time.Second))
	for _, m := range w.calls {
		fmt.Fprintf(&b, " %s %v %v %v", m.name, time.Since(m.began), m.key == w.cached.AccessKeyID, m.attempts == w.attempts)
	}
	return b.String()
}

// returns has the call of the provider return.
func (w *world) returns(a worldResult) {
	w.learn(a)
	w.results <- a
	synctest.Wait()
}
