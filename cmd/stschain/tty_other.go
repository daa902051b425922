//go:build !unix

package main

import (
	"errors"
	"io"
	"os"
	"runtime"
)

// openTerminal opens the console of this process, whatever its standard input is.
func openTerminal() (io.Reader, io.Writer, error) {
	if runtime.GOOS != "windows" {
		return nil, nil, errors.ErrUnsupported
	}
	in, err := os.OpenFile("CONIN$", os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	out, err := os.OpenFile("CONOUT$", os.O_RDWR, 0)
	if err != nil {
		in.Close()
		return nil, nil, err
	}
	return in, out, nil
}
