//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
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

// exitCode is that of a shell.
func exitCode(p *os.ProcessState) int {
	if status, ok := p.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.ExitCode()
}
