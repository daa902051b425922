//go:build unix

package dirstore_test

import (
	"os"
	"testing"

	"github.com/stschain-go/stschain/internal/test/leak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(process); dir != "" {
		runProcess(dir)
		return
	}
	if dir := os.Getenv(leaser); dir != "" {
		runLeaser(dir)
		return
	}
	leak.Main(m)
}
