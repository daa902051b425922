//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// forwarded returns the signals to forward to a command. A terminal sends SIGINT and SIGQUIT to all its processes, and
// some programs end without cleaning up at the second one. Signals that are ignored stay ignored, as under nohup.
func forwarded(terminal bool) (list []os.Signal) {
	all := []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
	if !terminal {
		all = append(all, syscall.SIGINT, syscall.SIGQUIT)
	}
	for _, s := range all {
		if !signal.Ignored(s) {
			list = append(list, s)
		}
	}
	return list
}

// hasTerminal reports whether this process has a terminal that sends it signals.
func hasTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|syscall.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	tty.Close()
	return true
}

// survived returns signals that must not end this program, and with it the server, before the command: those that a terminal
// sends to the command too, and that of a write to a standard error that is closed.
func survived() (list []os.Signal) {
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE} {
		if !signal.Ignored(s) {
			list = append(list, s)
		}
	}
	return list
}

// exitOf is the end of a command, with the exit code of a shell.
func exitOf(p *os.ProcessState) error {
	status, ok := p.Sys().(syscall.WaitStatus)
	switch {
	case ok && status.Signaled() && status.Signal() == syscall.SIGINT:
		return errInterrupted
	case ok && status.Signaled():
		return exitError(128 + int(status.Signal()))
	}
	return exitError(p.ExitCode())
}

// interruptSelf ends this program by SIGINT. It returns if that is ignored.
func interruptSelf() {
	signal.Reset(syscall.SIGINT)
	if syscall.Kill(syscall.Getpid(), syscall.SIGINT) == nil {
		<-time.After(time.Second) // another thread may receive it
	}
}
