package tokenfile_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stschain-go/stschain/internal/test/leak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(writer); path != "" {
		fmt.Println(write(path))
		os.Exit(1)
	}
	leak.Main(m)
}
