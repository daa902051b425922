package tokenfile_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/tokenfile"
)

// The mode of a file counts for its group. A user who is not in that group must not give another group
// the file.
func TestWriteModeOfGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const user, group = 4711, 4712
	for name, test := range map[string]struct {
		as   int // the user that writes
		want os.FileMode
		gid  uint32
	}{
		"root":                 {0, 0o660, group},
		"one not in the group": {user, 0o600, uint32(os.Getegid())},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "x.json")
			require.NoError(t, os.WriteFile(path, []byte("{}"), 0o600))
			require.NoError(t, os.Chown(filepath.Dir(dir), user, -1)) // only its owner can enter it
			require.NoError(t, os.Chown(dir, user, -1))
			require.NoError(t, os.Chown(path, user, group))
			require.NoError(t, os.Chmod(path, 0o660))

			runtime.LockOSThread() // only this thread becomes another user
			defer runtime.UnlockOSThread()
			setUser(test.as)
			defer setUser(0)
			lock, err := tokenfile.Lock(t.Context(), path)
			require.NoError(t, err)
			lock.KeepMode = true
			require.NoError(t, lock.Write(document("new")))
			require.NoError(t, lock.Release())

			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, test.want, info.Mode())
			require.Equal(t, test.gid, info.Sys().(*syscall.Stat_t).Gid)
		})
	}
}

// setUser sets the user that this thread opens and changes files as.
func setUser(uid int) { syscall.RawSyscall(syscall.SYS_SETFSUID, uintptr(uid), 0, 0) }
