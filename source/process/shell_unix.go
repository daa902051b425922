//go:build unix

package process

import (
	"context"
	"os"
	"os/exec"
	"syscall"
)

// shellCommand has a session of its own, hence a group of its own, and no terminal: a
// program that wants to ask on one is told that there is none, and does not wait.
func shellCommand(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// killGroup kills the program and the children that stayed in its group.
func killGroup(p *os.Process) error {
	if syscall.Kill(-p.Pid, syscall.SIGKILL) == nil {
		return nil
	}
	return p.Kill() // which tells that it has ended
}
