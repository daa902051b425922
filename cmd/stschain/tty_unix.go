//go:build unix

package main

import (
	"io"
	"os"
	"os/signal"
	"syscall"
)

// openTerminal opens the terminal of this process, whatever its standard input is.
func openTerminal() (io.Reader, io.Writer, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	return foreground{f}, f, nil
}

// foreground is a terminal that fails to read in a background job, which the read would stop.
type foreground struct{ *os.File }

func (f foreground) Read(p []byte) (int, error) {
	if !signal.Ignored(syscall.SIGTTIN) {
		signal.Ignore(syscall.SIGTTIN)
		defer signal.Reset(syscall.SIGTTIN)
	}
	return f.File.Read(p)
}
