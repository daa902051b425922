//go:build unix

package process

import (
	"context"
	"os"
	"os/exec"
	"syscall"
)

// shellCommand runs in its own session, hence its own process group, without a
// terminal: a program that prompts on the terminal fails immediately instead of
// waiting.
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
	return p.Kill() // which returns an error if it has ended
}
