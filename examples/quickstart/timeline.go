package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
)

// timeline prints events with the seconds since the start.
type timeline struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
	once  map[string]bool
}

func newTimeline(out io.Writer) *timeline {
	return &timeline{out: out, start: time.Now(), once: map[string]bool{}}
}

func (l *timeline) print(from, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, "%6.2fs  %-8s %s\n", time.Since(l.start).Seconds(), from, fmt.Sprintf(format, args...))
}

// printOnce prints each text once.
func (l *timeline) printOnce(from, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.mu.Lock()
	printed := l.once[text]
	l.once[text] = true
	l.mu.Unlock()
	if !printed {
		l.print(from, "%s", text)
	}
}

func (l *timeline) end(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.out, text)
}

// event prints an event of the cache.
func (l *timeline) event(e stschain.Event) {
	at := func(t time.Time) string { return fmt.Sprintf("%.1fs", t.Sub(l.start).Seconds()) }
	switch e.Kind {
	case stschain.RefreshStarted:
		if e.Expires.IsZero() {
			l.print("cache", "empty: calling %s", e.Origin)
		} else {
			l.print("cache", "calling %s; the cached credentials are valid until %s", e.Origin, at(e.Expires))
		}
	case stschain.Refreshed:
		l.print("cache", "new credentials after %v: valid until %s, next refresh at %s",
			e.Took.Round(time.Millisecond), at(e.Expires), at(e.Next))
	case stschain.RefreshFailed:
		l.print("cache", "refresh failed: %v", e.Err)
		if !e.Expires.IsZero() {
			l.print("cache", "serving cached credentials until %s, next attempt at %s", at(e.Expires), at(e.Next))
		}
	case stschain.Invalidated:
		l.print("cache", "the service rejected the credentials: the next caller waits for new ones")
	default:
		l.print("cache", "%v", e.Kind)
	}
}
