//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package tokenfile

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/stschain-go/stschain/internal/system"
)

// copyOwner changes the owner of a file that root created to that of another file: a container that runs as root may have
// a user's home directory mounted.
func copyOwner(made *os.File, other string) {
	info, err := os.Stat(other)
	if err != nil || os.Geteuid() != 0 {
		return
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = made.Chown(int(owner.Uid), int(owner.Gid)) // it may not be allowed
	}
}

// copyMode gives a file the mode of another, unless it cannot have the same group: the mode would let
// another group read it.
func copyMode(made *os.File, other string) {
	info, err := os.Stat(other)
	if err != nil {
		return
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && made.Chown(-1, int(owner.Gid)) == nil {
		_ = made.Chmod(info.Mode().Perm()) // the file system may have no modes
	}
}

func tryLock(path string) (release func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		copyOwner(f, strings.TrimSuffix(path, suffix))
	case errors.Is(err, fs.ErrExist):
		f, err = os.OpenFile(path, os.O_RDWR, 0)
	}
	if err != nil {
		return nil, err
	}
	if err = system.TryLock(f, false); err != nil {
		f.Close()
		return nil, err
	}
	return f.Close, nil
}
