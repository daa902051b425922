package guard_test

import (
	"testing"

	"github.com/stschain-go/stschain/internal/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
