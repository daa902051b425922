package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// shellCommand passes the command unchanged: cmd.exe does not parse arguments
// as os/exec quotes them. /S removes exactly the two outer quotes.
func shellCommand(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, builtin("cmd.exe"))
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd.exe /D /S /C "` + command + `"`, HideWindow: true}
	return cmd
}

// killGroup kills the program and its children.
func killGroup(p *os.Process) error {
	kill := exec.Command(builtin("taskkill.exe"), "/T", "/F", "/PID", strconv.Itoa(p.Pid))
	kill.SysProcAttr = &syscall.SysProcAttr{HideWindow: true}
	if kill.Run() == nil {
		return nil
	}
	return p.Kill()
}

// builtin returns the path of a program that Windows includes.
func builtin(name string) string {
	if root := os.Getenv("SystemRoot"); root != "" {
		return filepath.Join(root, "System32", name)
	}
	return name
}
