package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/stschain-go/stschain/internal/keyjson"
)

// linger is how long children may keep the output open after the program has ended.
const linger = 500 * time.Millisecond

// shell runs the command in the shell of the system. When ctx is done, or the program
// prints too much, it and its children are killed. So are children that it leaves when it
// fails, or that hold on to its output; others it may have left on purpose.
func (p *Provider) shell(ctx context.Context, command string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, ended(ctx)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	cmd := shellCommand(ctx, command)
	cmd.Env = p.Env
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = linger
	stdout, stderr := capped{full: func() { stop(errFlood) }}, tail{}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr

	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrWaitDelay): // it ended well, and children did not
		_ = killGroup(cmd.Process)
		err = nil
	case err != nil && cmd.Process != nil:
		_ = killGroup(cmd.Process) // children that it leaves
	}
	switch {
	case stdout.over:
		return nil, errFlood
	case err == nil:
		return stdout.buf.Bytes(), nil
	case ctx.Err() != nil:
		err = ended(ctx)
	case cmd.Process == nil:
		return nil, fmt.Errorf("it cannot be started: %w", err)
	default:
		err = fmt.Errorf("it failed with %w", err)
	}
	if said := stderr.shown(stdout.buf.Bytes()); said != "" {
		err = fmt.Errorf("%w, and said: %s", err, said)
	}
	return nil, err
}

// capped keeps what is written to it until that is too much.
type capped struct {
	buf  bytes.Buffer
	over bool
	full func()
}

func (c *capped) Write(b []byte) (int, error) {
	if c.buf.Len()+len(b) > maxOutput {
		c.over = true
		c.full()
		return 0, errFlood
	}
	return c.buf.Write(b)
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

// keepStderr is more than is shown, so that a secret is recognised that begins earlier.
const keepStderr = 64 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - keepStderr; over > keepStderr {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

// shown is the end of what the program said, on one line, without what it also printed
// and without lines that name a secret.
func (t *tail) shown(stdout []byte) string {
	text := string(t.kept)
	for word := range strings.FieldsFuncSeq(strings.ReplaceAll(string(stdout), `\/`, "/"), notInSecrets) {
		if len(word) >= 16 {
			text = strings.ReplaceAll(text, word, "[redacted]")
		}
	}
	var lines []string
	for line := range strings.Lines(text) {
		bare := strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "", `"`, "", `'`, "").Replace(line))
		if strings.Contains(bare, "secretaccesskey=") || strings.Contains(bare, "secretaccesskey:") ||
			strings.Contains(bare, "sessiontoken=") || strings.Contains(bare, "sessiontoken:") {
			line = "[redacted]"
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	text = strings.TrimSpace(strings.Join(lines, " "))
	if over := len(text) - maxStderr; over > 0 {
		text = "... " + text[over:]
	}
	return keyjson.OneLine(text, 2*maxStderr)
}

// notInSecrets are the characters between the words of JSON and of shells; keys and
// tokens have none of them.
func notInSecrets(r rune) bool { return strings.ContainsRune(" \t\r\n\"'`,:;{}[]()<>\\", r) }
