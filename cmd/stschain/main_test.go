package main

import (
	"os"
	"testing"

	"github.com/stschain-go/stschain/internal/test/leak"
)

// TestMain is the tests, or the program itself in a process that a test starts.
func TestMain(m *testing.M) {
	if os.Getenv("STSCHAIN_TEST_PROGRAM") != "" {
		main()
	}
	leak.Main(m)
}
