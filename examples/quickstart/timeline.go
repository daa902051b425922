package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
)

// timeline prints what happens, with the seconds since the start.
type timeline struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
	once  map[string]bool
}

func newTimeline(out io.Writer) *timeline {
	return &timeline{out: out, start: time.Now(), once: map[string]bool{}}
}

func (l *timeline) print(who, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, "%6.2fs  %-8s %s\n", time.Since(l.start).Seconds(), who, fmt.Sprintf(format, args...))
}

// printOnce leaves out what it has printed before.
func (l *timeline) printOnce(who, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.mu.Lock()
	printed := l.once[text]
	l.once[text] = true
	l.mu.Unlock()
	if !printed {
		l.print(who, "%s", text)
	}
}

func (l *timeline) end(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.out, text)
}

// event says what a cache did, in words.
func (l *timeline) event(e stschain.Event) {
	at := func(t time.Time) string { return fmt.Sprintf("%.1fs", t.Sub(l.start).Seconds()) }
	switch e.Kind {
	case stschain.RefreshStarted:
		if e.Expires.IsZero() {
			l.print("cache", "nothing is held: asking %s", e.Origin)
		} else {
			l.print("cache", "asking %s, while the held credentials serve until %s", e.Origin, at(e.Expires))
		}
	case stschain.Refreshed:
		l.print("cache", "took new credentials after %v: they live until %s, the next refresh is due at %s",
			e.Took.Round(time.Millisecond), at(e.Expires), at(e.Next))
	case stschain.RefreshFailed:
		l.print("cache", "that failed: %v", e.Err)
		if !e.Expires.IsZero() {
			l.print("cache", "serving on until %s, next try at %s", at(e.Expires), at(e.Next))
		}
	case stschain.Invalidated:
		l.print("cache", "a service rejected the held credentials: the next caller waits for new ones")
	default:
		l.print("cache", "%v", e.Kind)
	}
}
