// Package process gets credentials from a program that prints them: the
// credential_process of a profile.
//
// The program prints one JSON object and exits with 0:
//
//	{"Version": 1, "AccessKeyId": "...", "SecretAccessKey": "...",
//	 "SessionToken": "...", "Expiration": "2026-11-21T17:56:58Z", "AccountId": "..."}
//
// SessionToken, Expiration and AccountId may be missing; without Expiration the
// credentials never expire. Field names are not case-sensitive.
//
// The command runs in a shell, as in the SDKs for Go and Rust: sh -c, and cmd.exe on
// Windows. It gets the environment of this process, an empty standard input and, on Unix, its own
// session, so it cannot prompt on the terminal, but it may open a window. Nothing is cached
// between calls; use a [stschain.Cache]. A program that retrieves the credentials of the profile
// whose credential_process it is would run itself recursively: that is stopped after a few
// levels. On systems without processes (WebAssembly), each run is an error.
//
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
package process

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
)

// Provider runs a command for each call of Retrieve.
//
// Its errors name the program, but not the arguments, which may be secret, and
// show the end of its standard error. Its standard output is never shown.
type Provider struct {
	Command   string        // required: as in credential_process
	AccountID string        // the account if the output has none, such as aws_account_id of a profile; "": not known
	Timeout   time.Duration // on one run, after which the program and its children are killed; 0: 1 min. A stschain.Cache waits for its own Timeout, 30 s by default: raise that too for slow programs
	Env       []string      // of the program, as "NAME=value"; nil: that of this process

	// Run runs the command and returns its standard output. nil: Shell. It must return when ctx is done.
	Run func(ctx context.Context, command string) (stdout []byte, err error)

	Clock stschain.Clock // nil: the system clock
}

// Bounds on a run.
const (
	defaultTimeout = time.Minute
	maxOutput      = 64 << 10 // bytes on standard output
	maxStderr      = 1 << 10  // bytes of standard error that are shown
)

// Retrieve runs the command. It is an error if it does not exit with 0 in time,
// if it prints more than 64 KiB, if the output is not such an object, or if the
// credentials have expired.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	if strings.TrimSpace(p.Command) == "" {
		return stschain.Credentials{}, stschain.Permanent(errors.New("process: Command is empty"))
	}
	creds, err := p.retrieve(ctx)
	if err != nil {
		return stschain.Credentials{}, fmt.Errorf("process: %s: %w", program(p.Command), err)
	}
	return creds, nil
}

func (p *Provider) retrieve(ctx context.Context) (stschain.Credentials, error) {
	run, timeout := p.Run, p.Timeout
	if run == nil {
		run = p.shell
	}
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	bounded, cancel := context.WithTimeoutCause(ctx, timeout, slow(timeout))
	defer cancel()
	stdout, err := run(bounded, p.Command)
	if err != nil {
		return stschain.Credentials{}, err
	}
	return p.parse(stdout)
}

// parse reads what the program printed.
func (p *Provider) parse(stdout []byte) (stschain.Credentials, error) {
	if len(stdout) > maxOutput {
		return stschain.Credentials{}, errFlood
	}
	doc, err := credjson.Parse(stdout, "SessionToken")
	if err == nil && doc.Version != "1" {
		err = stschain.Permanent(errors.New("Version is missing or not 1"))
	}
	var creds stschain.Credentials
	if err == nil {
		creds, err = doc.Credentials("process " + program(p.Command))
	}
	if err != nil {
		return stschain.Credentials{}, fmt.Errorf("invalid output: %w", err)
	}
	if now := system.Now(p.Clock); creds.ExpiredAt(now) {
		return stschain.Credentials{}, fmt.Errorf("it printed credentials that expired at %s, and it is %s: check what it caches, and the clock",
			creds.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if creds.AccountID == "" {
		creds.AccountID = p.AccountID
	}
	return creds, nil
}

// Identity returns an error: a command does not say whose credentials it prints.
func (*Provider) Identity(context.Context) (stschain.Identity, error) {
	return stschain.Identity{}, stschain.Permanent(errors.New("process has no identity: a command does not say whose credentials it prints, and may print others on another machine. Do not share its credentials, or use the provider that it stands for"))
}

// String names the program.
func (p *Provider) String() string {
	return strings.TrimSpace("process " + program(p.Command))
}

var errFlood = fmt.Errorf("it printed more than %d bytes, and credentials are shorter", maxOutput)

// slow is the cause of a run that took longer than this.
type slow time.Duration

func (s slow) Error() string { return fmt.Sprintf("it did not end within %v", time.Duration(s)) }

func (slow) Is(target error) bool { return target == context.DeadlineExceeded }

// program is the first word of a command that does not set a variable. The words after it may contain secrets.
func program(command string) string {
	for {
		word, rest := firstWord(command)
		sets := strings.Contains(word, "=")
		unended := strings.Count(word, "'")%2+strings.Count(word, `"`)%2 > 0
		switch {
		case sets && (rest == "" || unended), unclear(word):
			return "the command"
		case !sets:
			return redact.OneLine(strings.Trim(word, `"'`), 256)
		}
		command = rest
	}
}

// unclear reports whether a shell may see the end of the word, or of a quote in it, elsewhere:
// what follows may then still be the value of a variable.
func unclear(word string) bool {
	for _, syntax := range []string{`\'`, `\"`, "$(", "${", "`"} {
		if strings.Contains(word, syntax) {
			return true
		}
	}
	return strings.HasSuffix(word, `\`)
}

// firstWord cuts a command after its first word, which may be in quotes. A
// quote without an end is an ordinary character, as in
// C:\Users\O'Brien\helper.exe.
func firstWord(command string) (word, rest string) {
	command = strings.TrimSpace(command)
	const ends = " \t\n;|&"
	var quote rune
	end := strings.IndexFunc(command, func(r rune) bool {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case quote == 0:
			return strings.ContainsRune(ends, r)
		}
		return false
	})
	if quote != 0 {
		end = strings.IndexAny(command, ends)
	}
	if end < 0 {
		end = len(command)
	}
	return command[:end], strings.Trim(command[end:], ends)
}
