// Package leak finds goroutines that the tests of a package leave behind. A package's
// tests end with it:
//
//	func TestMain(m *testing.M) { leak.Main(m) }
package leak

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// Main runs the tests, and fails if they leave goroutines.
func Main(m *testing.M) { os.Exit(Check(m.Run())) }

// Check returns the exit code of tests that ended with code: 1 if they passed and have
// left goroutines, whose stacks it prints.
func Check(code int) int {
	if code != 0 || fuzzing() {
		return code
	}
	left := Left(10 * time.Second)
	if len(left) == 0 {
		return 0
	}
	fmt.Fprintf(os.Stderr, "FAIL: the tests left %d goroutines:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
	return 1
}

// Left returns the stacks of the goroutines, other than the caller's, that
// still exist after this time, so that those that are about to end can do so.
func Left(patience time.Duration) []string {
	for deadline := time.Now().Add(patience); ; {
		left := slices.DeleteFunc(stacks(), allowed)
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		<-time.After(10 * time.Millisecond)
	}
}

// stacks are those of all goroutines but the caller's, which comes first.
func stacks() []string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			return strings.Split(strings.TrimSpace(string(buf[:n])), "\n\n")[1:]
		}
		buf = make([]byte, 2*len(buf))
	}
}

// allowed are the goroutines of the test runner and of the signals it waits
// for, and idle connections, which net/http keeps open for a while.
func allowed(stack string) bool {
	for _, of := range []string{"testing.(*M).", "testing.(*T).Run(", "os/signal.", "net/http.(*persistConn)", "net/http.(*http2ClientConn)"} {
		if strings.Contains(stack, of) {
			return true
		}
	}
	return false
}

func fuzzing() bool {
	for _, name := range []string{"test.fuzz", "test.fuzzworker"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != f.DefValue {
			return true
		}
	}
	return false
}
