package wire_test

import (
	"testing"

	"github.com/stschain-go/stschain/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
