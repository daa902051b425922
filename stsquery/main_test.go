package stsquery_test

import (
	"os"
	"testing"

	"github.com/stschain-go/stschain/internal/test/leak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	fake.Close() // of the examples
	os.Exit(leak.Check(code))
}
