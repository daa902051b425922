package valkeystore_test

import (
	"testing"

	"go.uber.org/goleak"
)

// After a connection was lost, a client of a cluster sleeps for up to a second, also if it is closed.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valkey-io/valkey-go.(*call).DelayDo.func1"))
}
