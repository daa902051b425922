//go:build unix

package system_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/system"
)

// Pipes and devices do not block, even where one replaces the file right before it is opened.
func TestReadFileIrregular(t *testing.T) {
	dir := t.TempDir()
	path, fifo, file := filepath.Join(dir, "path"), filepath.Join(dir, "fifo"), filepath.Join(dir, "file")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	require.NoError(t, os.WriteFile(file, []byte("1234"), 0o600))
	for name, prepare := range map[string]func(){
		"without a writer": func() {},
		"with a writer": func() {
			f, err := os.OpenFile(fifo, os.O_RDWR, 0)
			require.NoError(t, err)
			t.Cleanup(func() { f.Close() })
		},
	} {
		prepare()
		for range 100 {
			for _, target := range []string{file, fifo, "/dev/zero"} {
				require.NoError(t, os.Symlink(target, path+".new"))
				require.NoError(t, os.Rename(path+".new", path))
				content, _, err := system.ReadFile(nil, path, 4)
				if target == file {
					require.NoError(t, err)
					require.Equal(t, "1234", string(content))
					continue
				}
				require.ErrorIs(t, err, system.ErrIrregular, name)
			}
		}
	}
}

// /proc/kmsg is a regular file that never ends.
func TestReadFileEndless(t *testing.T) {
	began := time.Now()
	_, _, err := system.ReadFile(nil, "/proc/kmsg", 1<<20)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		t.Skip(err)
	}
	require.Less(t, time.Since(began), 10*time.Second)
	t.Log(err)
}
