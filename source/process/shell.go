package process

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
)

// linger is how long children may keep the output open after the program has ended.
const linger = 500 * time.Millisecond

// Shell runs a command as a Provider does whose Run is nil. It is for a Run that does
// something else besides.
func Shell(ctx context.Context, command string) (stdout []byte, err error) {
	return new(Provider).shell(ctx, command)
}

// shell runs the command in the shell of the system. When ctx is done, or the program
// prints too much, it and its children are killed. So are children that it leaves when it
// fails, or that hold on to its output; others it may have left on purpose.
func (p *Provider) shell(ctx context.Context, command string) ([]byte, error) {
	if err := system.ContextErr(ctx); err != nil {
		return nil, err
	}
	env, err := within(p.Env, command)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	cmd := shellCommand(ctx, command)
	cmd.Env = env
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = linger
	stdout, stderr := capped{full: func() { stop(errFlood) }}, tail{}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr

	err = cmd.Run()
	if err != nil && cmd.Process != nil {
		_ = killGroup(cmd.Process) // children that it left behind
	}
	if errors.Is(err, exec.ErrWaitDelay) { // it exited with 0, and children did not
		err = nil
	}
	switch {
	case stdout.over:
		return nil, errFlood
	case err == nil:
		return stdout.buf.Bytes(), nil
	case ctx.Err() != nil:
		err = system.ContextErr(ctx)
	case cmd.Process == nil:
		return nil, fmt.Errorf("it cannot be started: %w", err)
	default:
		err = fmt.Errorf("it failed with %w", err)
	}
	if said := stderr.shown(command, stdout.buf.Bytes()); said != "" {
		err = fmt.Errorf("%w, and said: %s", err, said)
	}
	return nil, err
}

// ancestry is the variable by which a command learns in which commands it runs. A program
// that asks for the credentials of the profile that names it would run itself without end.
const ancestry = "STSCHAIN_CREDENTIAL_PROCESSES"

// maxWithin is how often a command may run in itself: it may go through other profiles.
const maxWithin = 2

// within returns env, nil being that of this process, with the command in its ancestry.
func within(env []string, command string) ([]string, error) {
	if env == nil {
		env = os.Environ()
	}
	above := ""
	for _, v := range env { // the last one counts
		if value, ok := strings.CutPrefix(v, ancestry+"="); ok {
			above = value
		}
	}
	sum := sha256.Sum256([]byte(command))
	mark := hex.EncodeToString(sum[:8])
	if strings.Count(above, mark) > maxWithin {
		return nil, stschain.Permanent(errors.New("it runs itself: it asks for the credentials of a profile whose credential_process it is; have it ask for another profile"))
	}
	return append(slices.Clip(env), ancestry+"="+strings.TrimPrefix(above+" "+mark, " ")), nil
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

// shown is the end of what the program said, on one line, without what it also printed,
// without lines that name a secret, and without lines of the command that have arguments: bash
// shows one in which it does not understand the syntax, as of a password that is not quoted.
func (t *tail) shown(command string, stdout []byte) string {
	text := string(t.kept)
	for line := range strings.Lines(command) {
		if line = strings.TrimSpace(line); strings.ContainsAny(line, " \t") {
			text = strings.ReplaceAll(text, line, "[the command]")
		}
	}
	for word := range strings.FieldsFuncSeq(strings.ReplaceAll(string(stdout), `\/`, "/"), notInSecrets) {
		if len(word) >= 16 {
			text = strings.ReplaceAll(text, word, "[redacted]")
		}
	}
	var lines []string
	for line := range strings.Lines(text) {
		bare := strings.NewReplacer("_", "", "-", "", " ", "", `"`, "", `'`, "").Replace(line)
		if namesSecret.MatchString(bare) {
			line = "[redacted]"
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	text = strings.TrimSpace(strings.Join(lines, " "))
	if over := len(text) - maxStderr; over > 0 {
		text = "... " + text[over:]
	}
	return redact.OneLine(text, 2*maxStderr)
}

// namesSecret matches a line with the name of a secret, without the signs inside and around it.
var namesSecret = regexp.MustCompile(`(?i)(secretaccesskey|sessiontoken)[=:]`)

// notInSecrets are the characters between the words of JSON and of shells; keys and
// tokens have none of them.
func notInSecrets(r rune) bool { return strings.ContainsRune(" \t\r\n\"'`,:;{}[]()<>\\", r) }
