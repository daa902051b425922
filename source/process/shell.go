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
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
)

// linger is how long children may keep the output open after the program has ended.
const linger = 500 * time.Millisecond

// Shell runs a command as a Provider without Run does. Use it in a Run that does something in addition.
func Shell(ctx context.Context, command string) (stdout []byte, err error) {
	return new(Provider).shell(ctx, command)
}

// shell runs the command in the shell of the system. When ctx is done, or the program
// prints too much, it and its children are killed. So are children that still run
// when it fails, or that keep its output open; others may be meant to continue.
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
		_ = killGroup(cmd.Process) // its remaining children
	}
	if errors.Is(err, exec.ErrWaitDelay) { // it exited with 0, but children did not exit
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
		err = fmt.Errorf("%w; standard error: %s", err, said)
	}
	return nil, err
}

// ancestry is the variable that contains the commands in which a command runs.
// A program that requests the credentials of the profile whose
// credential_process it is would run itself endlessly.
const ancestry = "STSCHAIN_CREDENTIAL_PROCESSES"

// maxWithin is how many levels deep a command may run in itself: there may be other profiles in between.
const maxWithin = 2

// within returns env, nil being that of this process, with the command in its ancestry.
func within(env []string, command string) ([]string, error) {
	if env == nil {
		env = os.Environ()
	}
	above := ""
	for _, v := range env { // the last one applies
		if value, ok := strings.CutPrefix(v, ancestry+"="); ok {
			above = value
		}
	}
	sum := sha256.Sum256([]byte(command))
	mark := hex.EncodeToString(sum[:8])
	if strings.Count(above, mark) > maxWithin {
		return nil, stschain.Permanent(errors.New("it runs itself: it retrieves the credentials of the profile whose credential_process it is; use another profile in it"))
	}
	return append(slices.Clip(env), ancestry+"="+strings.TrimPrefix(above+" "+mark, " ")), nil
}

// capped collects output up to a limit.
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

// tail collects the end of the output.
type tail struct{ kept []byte }

// keepStderr is more than is shown, so that a secret that begins earlier is recognized.
const keepStderr = 64 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - keepStderr; over > keepStderr {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(b), nil
}

// shown is the end of the standard error, on one line, without parts of the
// standard output, without lines that name a secret, and without lines of the
// command that have arguments: bash shows a line with a syntax error, such as
// one with an unquoted password.
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
		if namesSecret().MatchString(bare) {
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

// namesSecret matches a line with the name of a secret, after punctuation is removed. It is compiled when it is
// first needed, since most programs start without it.
var namesSecret = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(secretaccesskey|sessiontoken)[=:]`)
})

// notInSecrets are the characters between the words of JSON and of shells; keys and tokens do not contain them.
func notInSecrets(r rune) bool { return strings.ContainsRune(" \t\r\n\"'`,:;{}[]()<>\\", r) }
