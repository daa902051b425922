// Package leak fails the tests of a package that leave goroutines behind. A package's tests
// end with it:
//
//	func TestMain(m *testing.M) { leak.Main(m) }
package leak

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests, and fails if they leave goroutines.
func Main(m *testing.M) { os.Exit(Check(m.Run())) }

// Check returns the exit code of tests that ended with code: 1 if they passed and left
// goroutines, whose stacks it prints.
func Check(code int) int {
	if code != 0 {
		return code
	}
	var err error
	for range 20 { // those that are about to end have ten seconds to do so
		if err = goleak.Find(idle...); err == nil {
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, "FAIL: the tests left goroutines:", err)
	return 1
}

// idle are the connections that net/http keeps for a while.
var idle = []goleak.Option{
	goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
	goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
}
