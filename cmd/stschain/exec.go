package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/serve"
)

const execHelp = `
The command finds the credentials as in a container: AWS_CONTAINER_CREDENTIALS_FULL_URI leads to a
server on 127.0.0.1, which refreshes them for as long as the command runs. It gets no keys.

  stschain exec -profile prod -- aws s3 ls
  stschain exec -role-arn arn:aws:iam::123456789012:role/deploy -- terraform apply
  stschain exec -profile prod -env -- ./old-tool

AWS_REGION and AWS_DEFAULT_REGION are set. Variables that an SDK may prefer to the server are unset.
SDKs prefer a default profile too. So AWS_SHARED_CREDENTIALS_FILE leads to an empty file, and
AWS_CONFIG_FILE to one with the settings of the profile and without credentials.

With -env the command gets keys and AWS_SESSION_EXPIRATION instead. They are not refreshed.

Standard input, the terminal and the exit code are those of the command. The exit code is 128 plus
the number of the signal that ended it, 127 if it is not found, 126 if it cannot be run. If SIGINT
ended the command, stschain ends by it too, so Ctrl-C also ends the script that runs stschain.
SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 are forwarded. A terminal sends SIGINT and SIGQUIT to the
command; they are forwarded only if there is no terminal: to end it from a script, use SIGTERM.
Ctrl-Z stops the command and the server, and fg continues both. Nothing prompts while the command
runs.

The server ends with the command, and if stschain is killed. A process that continues to run then
has no credentials, and sends its token to any process, of any user, that listens on the port later.
The token is of no use by then, but that process can return credentials of its own, and receive what
is stored with them. So do not start daemons in this way: use serve.
`

// nested is the variable that marks a command that exec runs.
const nested = "STSCHAIN_EXEC"

func runCommand(ctx context.Context, c *call) error {
	if outer, ok := c.variable(nested); ok && !c.nest {
		return usagef("exec: this is a command of stschain exec already (%s=%s); with -nest it is run anyway", nested, printable(outer))
	}
	path, err := exec.LookPath(c.args[0])
	if err != nil {
		return cannotRun(err)
	}
	// Until the command runs, an interrupt ends this program. From then on it ends with the command.
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	c.alive = alive
	release := context.AfterFunc(ctx, end)
	id, creds, err := c.ready(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "stschain-exec-")
	if err != nil {
		return fmt.Errorf("no directory for the files of the command: %w: set TMPDIR to one that can be written to", err)
	}
	defer os.RemoveAll(dir)
	variables, err := c.files(dir)
	if err != nil {
		return err
	}
	variables = append(variables, variable{nested, stschain.NewSecret(cmp.Or(c.roleARN, c.profileName()))})
	variables = append(variables, c.regions(alive)...)
	if c.keys {
		variables = append(variables, keys(creds)...)
	} else {
		server, stop, err := c.serveCommand(alive, id, creds.AccountID)
		if err != nil {
			return err
		}
		defer stop()
		variables = append(variables, server...)
	}
	signals, stop := receive(forwarded(hasTerminal()))
	defer stop()
	_, stopped := receive(survived())
	defer stopped()
	if !release() {
		return ctx.Err()
	}
	return c.child(path, environment(os.Environ(), variables), signals)
}

// serveCommand serves the credentials until stop is called, and returns the variables that lead to the server.
// BOTO_CONFIG leads to an empty file: botocore prefers the keys in ~/.boto to the server.
func (c *call) serveCommand(ctx context.Context, id identity, account string) (_ []variable, stop func(), err error) {
	l, err := serve.Listen(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	h := &serve.Handler{
		// The terminal is the command's.
		Credentials: stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
			return id.Retrieve(stschain.WithoutPrompt(ctx))
		}),
		Token: serve.NewToken(), Timeout: c.timeout,
		OnError: func(err error) { fmt.Fprintf(c.stderr, "stschain exec: %v\n", err) },
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- serve.Serve(ctx, l, h) }()
	return []variable{
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI", stschain.NewSecret("http://" + l.Addr().String() + "/")},
		{"AWS_CONTAINER_AUTHORIZATION_TOKEN", h.Token},
		{"AWS_ACCOUNT_ID", stschain.NewSecret(account)},
		{"BOTO_CONFIG", stschain.NewSecret(os.DevNull)},
	}, func() { cancel(); <-ended }, nil
}

// receive returns a channel of these signals, which do nothing else. It drops those that are not read.
func receive(list []os.Signal) (_ <-chan os.Signal, stop func()) {
	signals := make(chan os.Signal, 8)
	if len(list) > 0 { // an empty list would be all signals
		signal.Notify(signals, list...)
	}
	return signals, func() { signal.Stop(signals) }
}

// child runs the command and forwards signals to it.
func (c *call) child(path string, env []string, signals <-chan os.Signal) error {
	cmd := &exec.Cmd{Path: path, Args: c.args, Env: env, Stdin: c.stdin, Stdout: c.stdout, Stderr: c.log.raw()}
	if err := cmd.Start(); err != nil {
		return cannotRun(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = cmd.Process.Signal(s) // fails if it has just ended
		case err := <-ended:
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				return exitOf(exit.ProcessState)
			}
			return err
		}
	}
}

// The exit codes of shells.
const (
	exitCannotRun   = 126
	exitNotFound    = 127
	exitInterrupted = 130
)

// errInterrupted is the end of a command by SIGINT. This program then ends by it too: a shell ends a script or a loop at Ctrl-C
// only if the program that it runs was ended by the signal.
var errInterrupted = errors.New("interrupted")

// codedError is an error with an exit code.
type codedError struct {
	error
	code int
}

func (e codedError) Unwrap() error { return e.error }

func cannotRun(err error) error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return codedError{err, exitNotFound}
	}
	return codedError{err, exitCannotRun}
}
