//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package tokenfile

import "errors"

func tryLock(string) (release func() error, err error) {
	return nil, errors.New("files cannot be locked on this system")
}
