//go:build !(darwin || linux || windows)

package dirstore

import (
	"errors"
	"os"
	"runtime"
)

func networkFileSystem(*os.File) (string, error) {
	return "", errors.New("network file systems are not recognized on " + runtime.GOOS + ": set AllowNetwork if it is a local one")
}
