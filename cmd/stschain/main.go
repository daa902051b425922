// Stschain shows and hands out the AWS credentials that a program would find where it
// runs. It is for people with a broken pod, and for programs that cannot link the library.
//
//	stschain explain                    who was asked for credentials, and what came of it
//	stschain whoami                     whose credentials they are, as STS says
//	eval "$(stschain env)"              the credentials, as variables for a shell
//	credential_process = stschain process
//	stschain serve                      the credentials, for every AWS SDK on this machine
//
// It looks where every AWS SDK looks; package source has the list. "stschain help" has
// the flags.
//
// Standard output is for results, standard error for everything else. Secrets are printed
// by env, process and serve, whose result they are, and by nothing else. A person is asked
// for the code of an MFA device if standard input is a terminal, by all commands but
// explain.
//
// The exit code is 0 if all went well, 1 for a failure, 2 for a mistake on the command
// line, 3 if nothing here has credentials, and 4 if explain finds that a person would have
// to be asked.
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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, nil)
	stop()
	os.Exit(code)
}

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnavailable = 3
	exitPrompt      = 4
)

// run is the program. A nil lookupEnv is the environment of the process.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, lookupEnv func(string) (string, bool)) int {
	log := &journal{to: stderr}
	defer log.close()
	alive, end := context.WithCancel(ctx)
	defer end()
	c := &call{alive: alive, stdin: stdin, stdout: stdout, stderr: log, lookupEnv: lookupEnv, log: log}
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
		return c.exit(name, usagef("there is no command %q", name))
	}
	err := c.parse(cmd, args)
	if errors.Is(err, flag.ErrHelp) {
		return c.exit("help", c.help([]string{name}))
	}
	if err == nil {
		err = cmd.run(ctx, c)
	}
	end()
	await(time.Second, func() bool { return c.processes.Load() == 0 })
	log.settle()
	return c.exit(name, err)
}

// call is one run of a command.
type call struct {
	alive     context.Context // until it is over
	processes atomic.Int64    // those that run for it
	stdin     io.Reader
	stdout    io.Writer
	stderr    io.Writer
	lookupEnv func(string) (string, bool)
	log       *journal
	typed     typist
	flags
}

// exit says what went wrong, and returns the exit code.
func (c *call) exit(name string, err error) int {
	var coded exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &coded):
		return int(coded)
	case errors.As(err, new(usageError)):
		fmt.Fprintf(c.stderr, "stschain: %v; \"stschain help\" tells more\n", err)
		return exitUsage
	}
	fmt.Fprintf(c.stderr, "stschain %s: %s\n", name, strings.ReplaceAll(err.Error(), "set AllowHTTP", "give -allow-http"))
	if chain, ok := errors.AsType[*stschain.ChainError](err); ok && chain.Unavailable() {
		return exitUnavailable
	}
	return exitFailed
}

// exitError is a code where all has been said.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is a mistake on the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }
