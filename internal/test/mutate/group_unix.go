//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// group runs a command in a process group of its own, and ends all of it.
func group(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
