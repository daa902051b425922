//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package tokenfile_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/tokenfile"
)

// A container of root that has a user's home directory mounted leaves them their session,
// and a lock that they can take.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := filepath.Join(t.TempDir(), "x.json")
	require.NoError(t, os.WriteFile(path, []byte("{}"), 0o600))
	require.NoError(t, os.Chown(path, 4711, 4712))
	for range 2 { // the lock is new, and is not
		lock, err := tokenfile.Lock(t.Context(), path)
		require.NoError(t, err)
		require.NoError(t, lock.Write(document("new")))
		require.NoError(t, lock.Release())
	}
	for _, name := range []string{path, path + ".lock"} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		owner, ok := info.Sys().(*syscall.Stat_t)
		require.True(t, ok)
		require.Equal(t, []uint32{4711, 4712}, []uint32{owner.Uid, owner.Gid}, name)
		require.Equal(t, os.FileMode(0o600), info.Mode(), name)
	}
}
