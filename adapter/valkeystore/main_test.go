package valkeystore_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain waits for the goroutines of valkey-go: some of a cluster's client sleep for 5 s before they close connections that it does
// not use anymore, also if it was closed. Find waits for half a second.
func TestMain(m *testing.M) {
	code := m.Run()
	leaks := goleak.Find()
	for n := 0; leaks != nil && n < 30; n++ {
		leaks = goleak.Find()
	}
	if leaks != nil {
		fmt.Fprintln(os.Stderr, leaks)
		code = max(code, 1)
	}
	os.Exit(code)
}
