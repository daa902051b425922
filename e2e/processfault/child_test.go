//go:build unix

package processfault_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// child is a process that runs one of the programs. They talk in lines.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Writer
	out   *os.File
	lines *bufio.Reader
}

// patience is what a child has for a line, on a machine that is busy.
const patience = 20 * time.Second

// start runs a program until the test ends. system is what is special about its process, if
// anything is: what the system does not allow is the error.
func start(t *testing.T, o order, home string, system *syscall.SysProcAttr) (*child, error) {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = []string{orders + "=" + string(text), "HOME=" + home}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = system
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() { // before the servers are closed, that wait for it; one that is stopped dies too
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &child{t, cmd, stdin, stdout.(*os.File), bufio.NewReader(stdout)}, nil
}

// mustStart is start where there is nothing special.
func mustStart(t *testing.T, o order, home string) *child {
	t.Helper()
	c, err := start(t, o, home, nil)
	require.NoError(t, err)
	return c
}

// hear returns the next line that the child writes; "" is its end.
func (c *child) hear() string {
	c.t.Helper()
	require.NoError(c.t, c.out.SetReadDeadline(time.Now().Add(patience)))
	line, err := c.lines.ReadString('\n')
	if err != io.EOF {
		require.NoError(c.t, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (c *child) send(line string) {
	c.t.Helper()
	_, err := io.WriteString(c.stdin, line+"\n")
	require.NoError(c.t, err)
}

// call is send and hear.
func (c *child) call(line string) string {
	c.t.Helper()
	c.send(line)
	return c.hear()
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	require.NoError(c.t, c.cmd.Process.Signal(s))
}

// stop returns when the child is stopped.
func (c *child) stop() {
	c.t.Helper()
	c.signal(syscall.SIGSTOP)
	var status syscall.WaitStatus
	_, err := syscall.Wait4(c.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(c.t, err)
	require.True(c.t, status.Stopped(), "it has ended: %v", status)
}

// goOn continues it.
func (c *child) goOn() {
	c.t.Helper()
	c.signal(syscall.SIGCONT)
}

// killed waits for the end of a child that was killed.
func (c *child) killed() {
	c.t.Helper()
	require.Empty(c.t, c.hear())
	require.Error(c.t, c.cmd.Wait())
	status := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(c.t, status.Signaled() && status.Signal() == syscall.SIGKILL, "%v", c.cmd.ProcessState)
}
