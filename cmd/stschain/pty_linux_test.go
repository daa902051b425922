package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

// pty is a terminal, and what a user sees and types.
type pty struct {
	t       *testing.T
	master  *os.File
	printed buffer
	cmd     *exec.Cmd
	ended   chan struct{}
}

// terminal runs a script of bash in a session of its own on a terminal of 40 rows and 100 columns. PROGRAM is the program.
func (w *world) terminal(script string) *pty {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(w.t, err)
	p := &pty{t: w.t, master: master, ended: make(chan struct{})}
	var number, unlocked int32
	p.ioctl(syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	p.ioctl(syscall.TIOCGPTN, unsafe.Pointer(&number))
	p.resize(40, 100)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(w.t, err)
	defer slave.Close()

	self, err := os.Executable()
	require.NoError(w.t, err)
	p.cmd = w.program()
	p.cmd.Path, err = exec.LookPath("bash")
	require.NoError(w.t, err)
	p.cmd.Args = []string{"bash", "-c", strings.ReplaceAll(script, "PROGRAM", quoteSh(self))}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(w.t, p.cmd.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		for b := make([]byte, 4096); ; { // the read fails when the last process has closed the terminal
			n, err := master.Read(b)
			p.printed.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
		<-read
	}()
	w.t.Cleanup(func() {
		master.Close()
		<-p.ended
	})
	return p
}

func (p *pty) ioctl(request uintptr, arg unsafe.Pointer) {
	conn, err := p.master.SyscallConn()
	require.NoError(p.t, err)
	var errno syscall.Errno
	require.NoError(p.t, conn.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg))
	}))
	require.Zero(p.t, errno)
}

func (p *pty) resize(rows, columns uint16) {
	size := [4]uint16{rows, columns}
	p.ioctl(syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}

// see waits until the terminal shows a text after those that were seen before, and returns what is before it.
func (p *pty) see(text string) (before string) {
	p.t.Helper()
	for end := time.Now().Add(time.Minute); ; <-time.After(time.Millisecond) {
		p.printed.mu.Lock()
		shown := p.printed.buf.Bytes()
		i := bytes.Index(shown, []byte(text))
		if i >= 0 {
			before = string(p.printed.buf.Next(i + len(text))[:i])
		}
		p.printed.mu.Unlock()
		if i >= 0 {
			return before
		}
		require.True(p.t, time.Now().Before(end), "no %q in %q", text, shown)
	}
}

func (p *pty) typed(keys string) {
	_, err := p.master.WriteString(keys)
	require.NoError(p.t, err)
}

// rest waits for the end of the session, and returns what the terminal has shown since.
func (p *pty) rest() string {
	<-p.ended
	return p.printed.String()
}

// TestExecTerminal: the terminal is the command's, with its size, and the command is in the foreground.
func TestExecTerminal(t *testing.T) {
	p := newWorld(t).keys().terminal(`PROGRAM exec -- sh -c '
		test -t 0 -a -t 1 -a -t 2 && stty size
		read _ _ _ _ group _ _ foreground _ < /proc/self/stat; test $group = $foreground && echo in the foreground
		echo ready
		read line; stty size; echo "read $line"; exit 3'; echo "code $?"`)
	p.see("40 100\r\n")
	p.see("in the foreground\r\n")
	p.see("ready\r\n")
	p.resize(25, 80)
	p.typed("a line\n")
	p.see("25 80\r\n")
	p.see("read a line\r\n")
	p.see("code 3\r\n")
	require.Empty(t, p.rest())
}

// TestExecCtrlC: a command that handles Ctrl-C and Ctrl-\ gets each once, and keeps its server.
// bash runs a trap only between commands if the signal is just before the read, so the read has a timeout.
func TestExecCtrlC(t *testing.T) {
	w := newWorld(t).keys()
	p := w.terminal(`exec PROGRAM exec -- bash -c '
		ints=0; trap "let ints++; echo int" INT
		quits=0; trap "let quits++; echo quit" QUIT
		trap "echo counted \$ints \$quits; PROGRAM whoami; exit 7" USR1
		stty -echoctl; echo ready; while :; do read -t 0.05 line; done'`)
	p.see("ready\r\n")
	// The program receives its signals when the command has handled its own, which would otherwise be one with those that
	// it forwards. Those are forwarded one after the other, and a process receives the one with the lowest number first.
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	p.typed("\x03")
	p.see("int\r\n")
	p.typed("\x1c")
	p.see("quit\r\n")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGUSR1))
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT))
	p.see("counted 1 1\r\n")
	p.see("user/alice")
	p.rest()
	require.Equal(t, 7, p.cmd.ProcessState.ExitCode())
}

// TestExecInterrupted: if Ctrl-C ends the command, it ends the script too.
func TestExecInterrupted(t *testing.T) {
	w := newWorld(t).keys()
	p := w.terminal(`PROGRAM exec -- sh -c 'echo ready; exec sleep 600'; echo next`)
	p.see("ready\r\n")
	p.typed("\x03")
	require.NotContains(t, p.rest(), "next")

	p = w.terminal(`exec PROGRAM exec -- sh -c 'echo ready; exec sleep 600'`)
	p.see("ready\r\n")
	p.typed("\x03")
	p.rest()
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, status.Signaled() && status.Signal() == syscall.SIGINT, p.cmd.ProcessState)
}

// TestExecSuspended: Ctrl-Z stops the command, and fg continues it.
func TestExecSuspended(t *testing.T) {
	p := newWorld(t).keys().terminal(`set -m
		PROGRAM exec -- sh -c 'echo ready; read line; echo "read $line"; PROGRAM whoami; exit 5'; echo "code $?"
		jobs -l; fg; echo "code $?"`)
	p.see("ready\r\n")
	p.typed("\x1a")
	p.see("code 148\r\n") // SIGTSTP
	p.see("Stopped")
	p.see("ready; read") // fg shows the job
	p.typed("line\n")
	p.see("read line\r\n")
	p.see("user/alice")
	p.see("code 5\r\n")
	p.rest()
}

// TestExecHangUp: the command ends when its terminal does.
func TestExecHangUp(t *testing.T) {
	w := newWorld(t).keys()
	p := w.terminal(`exec PROGRAM exec -- sh -c 'echo ready; exec sleep 600'`)
	p.see("ready\r\n")
	require.NoError(t, p.master.Close())
	<-p.ended
	require.Equal(t, 128+int(syscall.SIGHUP), p.cmd.ProcessState.ExitCode())
}

// TestExecPrompts: exec prompts on the terminal, and all other input is the command's.
func TestExecPrompts(t *testing.T) {
	for name, tt := range map[string]struct{ script, typed, want string }{
		"input from a pipe":  {`printf 'line\n' | PROGRAM exec -- sh -c 'read line; echo "read $line"'`, "", "read line\r\n"},
		"from the terminal":  {`PROGRAM exec -- sh -c 'read line; echo "read $line"'`, "line\n", "read line\r\n"},
		"output to a pipe":   {`PROGRAM exec -- sh -c 'read line; echo "read $line"' 2>&1 | cat; echo "code $?"`, "line\n", "read line\r\n"},
		"keys, from a pipe":  {`printf 'line\n' | PROGRAM exec -env -- sh -c 'read line; echo "read $line"'`, "", "read line\r\n"},
		"no input, terminal": {`PROGRAM exec -- sh -c 'read line || echo "no line"' < /dev/null`, "", "no line\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			device := w.sts.AddTOTP("alice")
			w.sts.AddRole(ststest.Role{ARN: roleARN, MFA: true})
			mfaConfig(w, device.Serial)
			p := w.terminal(tt.script)
			p.see("MFA code of " + device.Serial + ": ")
			code, err := device.MFAToken(t.Context(), device.Serial)
			require.NoError(t, err)
			p.typed(code.Reveal() + "\n" + tt.typed)
			p.see(tt.want)
			p.rest()
			require.Equal(t, 1, w.sts.Count("AssumeRole"))
		})
	}
}

// TestExecPromptInterrupted: Ctrl-C at the prompt ends the program, and no command runs.
func TestExecPromptInterrupted(t *testing.T) {
	w := newWorld(t)
	device := w.sts.AddTOTP("alice")
	w.sts.AddRole(ststest.Role{ARN: roleARN, MFA: true})
	mfaConfig(w, device.Serial)
	for _, script := range []string{`exec PROGRAM exec -- echo run`, `echo line | PROGRAM exec -- echo run`} {
		p := w.terminal(script)
		p.see("MFA code of " + device.Serial + ": ")
		p.typed("\x03")
		require.NotContains(t, p.rest(), "run\r\n")
		require.NotZero(t, p.cmd.ProcessState.ExitCode())
	}
	require.Zero(t, w.sts.Count("AssumeRole"))
}
