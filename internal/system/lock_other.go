//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package system

import (
	"errors"
	"os"
)

func tryLock(*os.File, bool) error { return errors.New("files cannot be locked on this system") }
