//go:build unix

package system_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/system"
)

// A pipe that nobody writes to does not block.
func TestReadFileFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, _, err := system.ReadFile(nil, path, 4)
	require.ErrorIs(t, err, system.ErrIrregular)
}
