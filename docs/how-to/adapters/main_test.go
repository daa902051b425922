// Package adapters_test compiles and runs the code of those how-to pages that use adapters.
package adapters_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
