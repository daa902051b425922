// Stschain prints and serves the AWS credentials that a program would use on this machine. It helps to find out
// why a pod has the wrong credentials, and provides them to programs that cannot link the library.
//
//	stschain explain                    each place for credentials, in order, and its result
//	stschain whoami                     the identity of the credentials, from STS
//	eval "$(stschain env)"              the credentials, as variables for a shell
//	credential_process = stschain process
//	stschain serve                      the credentials, for every AWS SDK on this machine; with -status also a page with their state
//	stschain exec -- command            runs a command that finds the credentials
//	stschain login                      signs in to IAM Identity Center
//	stschain logout                     signs out
//	stschain console                    a link that signs in to the AWS console
//	stschain profiles                   the profiles in the files of AWS
//	eval "$(stschain completion bash)"  completion of commands, flags and profiles, also for zsh and fish
//	stschain forget                     removes the sessions of roles that were kept
//
// It resolves credentials in the order of the AWS SDKs for Go and Java; package source has the list.
// "stschain help" prints the flags.
//
// Sessions of roles are kept between runs, sealed, in the user's state directory: a role costs one call of STS, and one MFA
// code, until its session ends. With -no-cache none is used or kept. A session that the AWS CLI has of the same role is
// used too; with -share-with-aws-cli sessions are also written to its cache.
//
// Results go to standard output, everything else to standard error. Only env, process, serve and console print secrets.
// The exit code of exec is that of the command.
// On a terminal, all commands but explain prompt for the code of an MFA device, also if standard input is a pipe.
//
// The exit code is 0 for success, 1 for a failure, 2 for an invalid command line, 3 if no credentials are configured,
// and 4 if explain finds that a prompt is required.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/statuspage"
)

func main() { os.Exit(program()) }

func program() int {
	ends := []os.Signal{syscall.SIGTERM}
	if !signal.Ignored(os.Interrupt) { // it stays ignored, also for commands, in a background job of a script
		ends = append(ends, os.Interrupt)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, nil)
}

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnavailable = 3
	exitPrompt      = 4
)

// run is the program. A nil lookupEnv is the environment of the process, whose terminal is then used for prompts.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, lookupEnv func(string) (string, bool)) int {
	log := &journal{to: stderr}
	defer log.close()
	alive, end := context.WithCancel(ctx)
	defer end()
	c := &call{alive: alive, stdin: stdin, stdout: stdout, stderr: log, lookupEnv: lookupEnv, log: log}
	if lookupEnv == nil {
		c.terminal = onceTerminal(openTerminal)
	}
	name := "help"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "help", "-h", "-help", "--help":
		return c.exit("help", c.help(args))
	case "-version", "--version":
		name = "version"
	}
	cmd, ok := find(name)
	if !ok {
		return c.exit(name, unknownCommand(name))
	}
	err := c.parse(cmd, args)
	if errors.Is(err, flag.ErrHelp) {
		return c.exit("help", c.help([]string{name}))
	}
	if err == nil {
		err = cmd.run(ctx, c)
	}
	end()
	await(5*time.Second, func() bool { return c.processes.Load() == 0 }) // they were killed, and a loaded machine is slow
	log.settle()
	return c.exit(name, err)
}

// call is one run of a command.
type call struct {
	alive     context.Context // done when the command ends
	processes atomic.Int64    // child processes that still run
	stdin     io.Reader
	stdout    io.Writer
	stderr    io.Writer
	lookupEnv func(string) (string, bool)
	terminal  func() (io.Reader, io.Writer, error) // nil: there is none but standard input
	log       *journal
	events    *statuspage.Events // of the credentials, with -status
	typed     typist
	opened
	flags
}

// exit prints err and returns the exit code.
func (c *call) exit(name string, err error) int {
	var coded exitError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errInterrupted):
		interruptSelf()
		return exitInterrupted
	case errors.As(err, &coded):
		return int(coded)
	case errors.As(err, new(usageError)):
		help := "stschain help"
		if _, ok := find(name); ok {
			help += " " + name
		}
		fmt.Fprintf(c.stderr, "stschain: %v; see %q\n", err, help)
		return exitUsage
	}
	fmt.Fprintf(c.stderr, "stschain %s: %v\n", name, err)
	if run, ok := errors.AsType[codedError](err); ok {
		return run.code
	}
	if chain, ok := errors.AsType[*stschain.ChainError](err); ok && chain.Unavailable() {
		return exitUnavailable
	}
	return exitFailed
}

// inFlags replaces fields of the library in errors with the flags that set them.
var inFlags = strings.NewReplacer(
	"set AllowHTTP", "give -allow-http",
	"or Default.Region", "or give -region",
	"set HOME, or Provider.Home", "set HOME",
	"set HOME, or CacheDir", "set HOME",
	"set CacheDir, or AWS_LOGIN_CACHE_DIRECTORY", "set HOME or AWS_LOGIN_CACHE_DIRECTORY",
	"MFAToken returned an empty one", "none was entered",
	"MFAToken returned the same code again", "the same code was entered again",
	"set Endpoint to", "set it to",
	"Client.Endpoint", "AWS_ENDPOINT_URL_STS",
	"Client.FIPS", "AWS_USE_FIPS_ENDPOINT",
	"Client.DualStack", "AWS_USE_DUALSTACK_ENDPOINT",
	"Client.Region", "the region",
	"RoleARN", "the role ARN",
	"Provider.Profile", "-profile",
	"Default.Profile", "-profile",
	"run aws sso login --sso-session", "run stschain login -sso-session",
	"run aws sso login --profile", "run stschain login -profile",
	"run aws sso login", "run stschain login",
	"assume a role with them, or put a federation.Provider over them", "give -role-arn, or a profile with a role",
	"Duration is not accepted for", "-duration is not accepted for",
	"; set 0 for those", "; omit it for those",
)

// exitError is an exit code without a message.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is an invalid command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }
