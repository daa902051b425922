package browser_test

import (
	"testing"

	"github.com/stschain-go/stschain/e2e/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
