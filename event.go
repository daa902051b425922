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
	RefreshStarted EventKind = iota + 1 // the provider is being asked
	Refreshed                           // it brought credentials, which are now held
	RefreshFailed                       // it brought none that can be used; Err says why
	ServingStale                        // after a failure, expired credentials are served; see Cache.MaxStale
	Invalidated                         // a service rejected the held credentials
)

// String returns the kind in words.
func (k EventKind) String() string {
	return word(k, "EventKind", "EventKind(0)", "refresh started", "refreshed", "refresh failed", "serving stale", "invalidated")
}

// word is the word for a value from 0 on, and a number of type kind where there is none.
func word[N ~int](n N, kind string, words ...string) string {
	if n < 0 || int(n) >= len(words) {
		return fmt.Sprintf("%s(%d)", kind, n)
	}
	return words[n]
}

// Event is something that happened in a [Cache]. It holds no secret.
type Event struct {
	Kind    EventKind
	Time    time.Time
	Origin  string        // of the credentials, or the provider that was asked
	Expires time.Time     // of the credentials that are held now; zero: never, or none are held
	Next    time.Time     // the earliest next try; zero: at the next call, or never
	Took    time.Duration // how long the provider took
	Err     error         // of a failure; of a rejection: that a backoff holds the refresh back, and until when
	Note    string        // of Refreshed: remarks of the provider, see [Note]
}

// LogEvents returns an OnEvent function that writes to l: failures and stale
// credentials as warnings, refreshes and rejections as information, and the
// start of a refresh for debugging. A nil l is slog.Default().
func LogEvents(l *slog.Logger) func(Event) {
	levels := map[EventKind]slog.Level{RefreshStarted: slog.LevelDebug, RefreshFailed: slog.LevelWarn, ServingStale: slog.LevelWarn}
	return func(e Event) {
		attrs := []slog.Attr{slog.String("source", e.Origin)}
		attr := func(when bool, a slog.Attr) {
			if when {
				attrs = append(attrs, a)
			}
		}
		attr(!e.Expires.IsZero(), slog.Time("expires", e.Expires))
		attr(!e.Next.IsZero(), slog.Time("next", e.Next))
		attr(e.Took > 0, slog.Duration("took", e.Took))
		attr(e.Note != "", slog.String("note", e.Note))
		attr(e.Err != nil, slog.Any("err", e.Err))
		cmp.Or(l, slog.Default()).LogAttrs(context.Background(), levels[e.Kind], "aws credentials "+e.Kind.String(), attrs...)
	}
}

// CombineEvents returns an OnEvent function that calls each of fs, in order. A nil one is left out.
func CombineEvents(fs ...func(Event)) func(Event) {
	return func(e Event) {
		for _, f := range fs {
			if f != nil {
				f(e)
			}
		}
	}
}

// maxQueued bounds what an OnEvent that never returns can make the queue hold.
const maxQueued = 1024

// eventQueue hands events to a function in order, on a goroutine that lives
// only while there are some.
type eventQueue struct {
	mu      sync.Mutex
	waiting []Event
	running bool
}

// push queues e for f and returns at once.
func (q *eventQueue) push(f func(Event), e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == maxQueued {
		return
	}
	q.waiting = append(q.waiting, e)
	if !q.running {
		q.running = true
		go q.drain(f)
	}
}

func (q *eventQueue) drain(f func(Event)) {
	returned := false
	defer func() {
		if !returned { // f called runtime.Goexit: the others get a new goroutine
			go q.drain(f)
		}
	}()
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.running, q.waiting = false, nil
			returned = true
			q.mu.Unlock()
			return
		}
		e := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		f(e)
	}
}
