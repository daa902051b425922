//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package tokenfile

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// giveAway gives what root made to whom the file beside it belongs, who could not use it
// otherwise: containers of root have the home directories of others mounted.
func giveAway(made *os.File, beside string) {
	info, err := os.Stat(beside)
	if err != nil || os.Geteuid() != 0 {
		return
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = made.Chown(int(owner.Uid), int(owner.Gid)) // where that is not allowed it stays root's
	}
}

func tryLock(path string) (release func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		giveAway(f, strings.TrimSuffix(path, suffix))
	case errors.Is(err, fs.ErrExist):
		f, err = os.OpenFile(path, os.O_RDWR, 0)
	}
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errHeld
		}
		return nil, err
	}
	return f.Close, nil
}
