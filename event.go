package stschain

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// EventKind says what happened in a [Cache].
type EventKind int

// The kinds of events.
const (
	RefreshStarted EventKind = iota + 1 // the provider is called
	Refreshed                           // it returned credentials, which are now cached
	RefreshFailed                       // it returned none that can be used; Err says why
	ServingStale                        // after a failure, expired credentials are served; see Cache.MaxStale
	Invalidated                         // a service rejected the cached credentials
	Evicted                             // of a Pool: another key took the place of this one
	Forgotten                           // of a Pool: Forget dropped this key
)

// String returns the kind as text.
func (k EventKind) String() string {
	return enumText(k, "EventKind", "EventKind(0)", "refresh started", "refreshed", "refresh failed", "serving stale", "invalidated", "evicted", "forgotten")
}

// enumText returns the text of a value, or the type and number if the value is unknown.
func enumText[N ~int](n N, typ string, texts ...string) string {
	if n < 0 || int(n) >= len(texts) {
		return fmt.Sprintf("%s(%d)", typ, n)
	}
	return texts[n]
}

// Event reports what happened in a [Cache]. It contains no secret.
type Event struct {
	Kind    EventKind
	Time    time.Time
	Origin  string        // of the credentials, or the name of the provider
	Expires time.Time     // of the cached credentials; zero: never, or none are cached
	Next    time.Time     // the earliest next attempt; zero: at the next call, or none is planned
	Took    time.Duration // how long the provider took
	Err     error         // of a failure; of a rejection: that a backoff delays the refresh, and until when
	Note    string        // of Refreshed: remarks of the provider, see [Note]
}

// LogEvents returns an OnEvent function that writes to l: failures and stale
// credentials at level WARN, refreshes and rejections at INFO, and the
// start of a refresh at DEBUG. If l is nil it is slog.Default().
func LogEvents(l *slog.Logger) func(Event) {
	return func(e Event) { logEvent(l, e) }
}

// LogPoolEvents returns an OnEvent function of a [Pool] that writes to l as [LogEvents] does, with
// evictions and forgotten keys at level INFO. show returns the text of a key, which is logged as key. If
// show is nil, keys are not logged, since a key may hold a secret.
func LogPoolEvents[K comparable](l *slog.Logger, show func(key K) string) func(PoolEvent[K]) {
	return func(e PoolEvent[K]) {
		if show == nil {
			logEvent(l, e.Event)
		} else {
			logEvent(l, e.Event, slog.String("key", show(e.Key)))
		}
	}
}

func logEvent(l *slog.Logger, e Event, attrs ...slog.Attr) {
	attr := func(when bool, a slog.Attr) {
		if when {
			attrs = append(attrs, a)
		}
	}
	attr(true, slog.String("origin", e.Origin))
	attr(!e.Expires.IsZero(), slog.Time("expires", e.Expires))
	attr(!e.Next.IsZero(), slog.Time("next", e.Next))
	attr(e.Took > 0, slog.Duration("took", e.Took))
	attr(e.Note != "", slog.String("note", e.Note))
	attr(e.Err != nil, slog.Any("err", e.Err))
	level := slog.LevelInfo
	switch e.Kind {
	case RefreshStarted:
		level = slog.LevelDebug
	case RefreshFailed, ServingStale:
		level = slog.LevelWarn
	}
	cmp.Or(l, slog.Default()).LogAttrs(context.Background(), level, "aws credentials "+e.Kind.String(), attrs...)
}

// CombineEvents returns an OnEvent function, of a [Cache] or a [Pool], that calls each of fs in order. It
// skips nil functions.
func CombineEvents[E any](fs ...func(E)) func(E) {
	return func(e E) {
		for _, f := range fs {
			if f != nil {
				f(e)
			}
		}
	}
}

// maxQueued bounds the memory of a queue whose function does not return.
const maxQueued = 1024

// eventQueue passes events to a function in order, on goroutines that exist
// only while it is not empty.
type eventQueue struct {
	mu    sync.Mutex
	calls []func() // the first is running
}

// push queues the call of f and returns immediately. It drops f if the queue is full.
func (q *eventQueue) push(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.calls) == maxQueued {
		return
	}
	if q.calls = append(q.calls, f); len(q.calls) == 1 {
		go q.deliver(f)
	}
}

func (q *eventQueue) deliver(f func()) {
	defer q.next() // also if f calls runtime.Goexit
	f()
}

// next delivers the next event, on a separate goroutine.
func (q *eventQueue) next() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.calls = q.calls[1:]; len(q.calls) == 0 {
		q.calls = nil
		return
	}
	go q.deliver(q.calls[0])
}
