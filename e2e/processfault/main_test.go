//go:build unix

// Package processfault_test does to real processes what happens to processes: they are killed
// while they write, their disk is full, their home is read-only, they are stopped for longer
// than their credentials live.
package processfault_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stschain-go/stschain/e2e/leak"
)

// orders is the variable that makes the test binary one of the programs that the tests start.
// It holds an order in JSON.
const orders = "STSCHAIN_TEST_ORDER"

type order struct {
	Program  string
	Endpoint string        // that the program calls
	API      string        // of what it uses the credentials for
	Kind     string        // of session
	Fault    string        // that it meets
	Patience time.Duration // of a cache for its source
}

func TestMain(m *testing.M) {
	text := os.Getenv(orders)
	if text == "" {
		leak.Main(m)
	}
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = map[string]func(order) error{
			"session": session, "cache": cache, "transport": transport,
		}[o.Program](o)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}
