// Package system wraps what the other packages use of the operating system:
// clock, sleep, the end of a context, environment variables and files.
package system

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// Now returns the time by the clock. nil is the system clock.
func Now(clock interface{ Now() time.Time }) time.Time {
	if clock == nil {
		return time.Now()
	}
	return clock.Now()
}

// WallNow is [Now] without the monotonic clock, which does not run while a laptop or a device sleeps.
func WallNow(clock interface{ Now() time.Time }) time.Time { return Now(clock).Round(0) }

// Sleep waits for d. If ctx has ended, or ends first, it returns [ContextErr].
func Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil { // select could choose the timer
		return ContextErr(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ContextErr(ctx)
	}
}

// ContextErr returns why ctx ended, or nil if it has not: an error that wraps ctx.Err() and
// context.Cause(ctx).
func ContextErr(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil || cause == nil || cause == err {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// Getenv returns the value of an environment variable without white space around it. It is "" if the
// variable is not set. A nil lookup is os.LookupEnv.
func Getenv(lookup func(name string) (value string, ok bool), name string) string {
	if lookup == nil {
		lookup = os.LookupEnv
	}
	value, _ := lookup(name)
	return strings.TrimSpace(value)
}
