//go:build !unix && !windows

package process

import (
	"context"
	"os"
	"os/exec"
)

// shellCommand cannot be started on systems without processes, such as WebAssembly.
func shellCommand(ctx context.Context, command string) *exec.Cmd {
	return exec.CommandContext(ctx, "sh", "-c", command)
}

func killGroup(p *os.Process) error { return p.Kill() }
