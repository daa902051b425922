package system_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/system"
)

func TestTryLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	first, second, third := open(), open(), open()
	require.NoError(t, system.TryLock(first, false))
	require.Equal(t, system.ErrLocked, system.TryLock(second, false))
	require.Equal(t, system.ErrLocked, system.TryLock(second, true))
	require.NoError(t, first.Close())
	require.NoError(t, system.TryLock(second, true))
	require.NoError(t, system.TryLock(third, true))
	require.Equal(t, system.ErrLocked, system.TryLock(open(), false))
}
