package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"
)

// command is one of stschain's.
type command struct {
	name  string
	does  string
	help  string
	flags []string // those that it has
	run   func(context.Context, *call) error
}

// flags are all that commands have.
type flags struct {
	profile, region, roleARN string
	timeout                  time.Duration
	json, verbose, allowHTTP bool
	shell, addr, tokenFile   string
}

var common = []string{"allow-http", "profile", "region", "role-arn", "timeout", "v"}

// commands are in the order of help.
func commands() []command {
	return []command{
		{"explain", "who was asked for credentials, and what came of it", explainHelp, []string{"allow-http", "json", "profile", "region", "role-arn", "timeout"}, explain},
		{"whoami", "whose credentials they are, as STS says", whoamiHelp, append([]string{"json"}, common...), whoami},
		{"env", "the credentials, as variables for a shell", envHelp, append([]string{"json", "shell"}, common...), env},
		{"process", "the credentials, as a credential_process prints them", processHelp, common, printProcess},
		{"serve", "the credentials, for every AWS SDK on this machine", serveHelp, append([]string{"addr", "json", "shell", "token-file"}, common...), serveUntilDone},
		{"version", "which stschain this is", "", nil, version},
	}
}

func find(name string) (command, bool) {
	for _, cmd := range commands() {
		if cmd.name == name {
			return cmd, true
		}
	}
	return command{}, false
}

// flagSet has the flags of a command.
func (c *call) flagSet(cmd command) *flag.FlagSet {
	all := flag.NewFlagSet("", flag.ContinueOnError)
	all.StringVar(&c.profile, "profile", "", "ask this `profile` and nothing else")
	all.StringVar(&c.region, "region", "", "ask STS in this `region`; otherwise as AWS_REGION or the profile says")
	all.StringVar(&c.roleARN, "role-arn", "", "assume the role of this `arn` by what is found")
	all.DurationVar(&c.timeout, "timeout", time.Minute, "give up after this `time`; for serve, on one answer")
	all.BoolVar(&c.allowHTTP, "allow-http", false, "call configured endpoints by plain http, which anyone on the network path can read")
	all.BoolVar(&c.verbose, "v", false, "tell on standard error what goes on")
	all.BoolVar(&c.json, "json", false, "print JSON")
	all.StringVar(&c.shell, "shell", defaultShell(runtime.GOOS), "print for this `shell`: "+strings.Join(shells, ", "))
	all.StringVar(&c.addr, "addr", "127.0.0.1:0", "listen at this loopback `address`; port 0 is any that is free")
	all.StringVar(&c.tokenFile, "token-file", "", "have the token in this `file`, and print where it is instead")

	set := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, name := range cmd.flags {
		f := all.Lookup(name)
		set.Var(f.Value, f.Name, f.Usage)
	}
	return set
}

func (c *call) parse(cmd command, args []string) error {
	set := c.flagSet(cmd)
	err := set.Parse(args)
	var empty string // a variable of a script that is not set, most likely
	set.Visit(func(f *flag.Flag) {
		if f.Value.String() == "" {
			empty = f.Name
		}
	})
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return usagef("%s: %w", cmd.name, err)
	case set.NArg() > 0:
		return usagef("%s takes no arguments but flags, and there is %q", cmd.name, set.Arg(0))
	case empty != "":
		return usagef("%s: -%s is empty", cmd.name, empty)
	case c.timeout <= 0:
		return usagef("%s: -timeout must be more than 0", cmd.name)
	}
	return checkShell(c.shell)
}

// help prints what there is, or what one command does.
func (c *call) help(args []string) error {
	if len(args) == 0 {
		fmt.Fprint(c.stdout, "stschain shows and hands out the AWS credentials that a program would find here.\n\nusage: stschain <command> [flags]\n\n")
		columns := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		for _, cmd := range commands() {
			fmt.Fprintf(columns, "  %s\t%s\n", cmd.name, cmd.does)
		}
		fmt.Fprint(columns, "  help <command>\tits flags\n")
		columns.Flush()
		fmt.Fprint(c.stdout, exitHelp)
		return nil
	}
	cmd, ok := find(args[0])
	if !ok {
		return usagef("there is no command %q", args[0])
	}
	fmt.Fprintf(c.stdout, "usage: stschain %s [flags]\n\nPrints %s.\n%s", cmd.name, cmd.does, cmd.help)
	if set := c.flagSet(cmd); len(cmd.flags) > 0 {
		fmt.Fprint(c.stdout, "\nflags:\n")
		set.SetOutput(c.stdout)
		set.PrintDefaults()
	}
	return nil
}

const exitHelp = `
Credentials are looked for as the AWS SDKs for Go and Java do: in environment variables, with web
identity, in the profile of AWS_PROFILE or the one called default, then with container and instance.

exit codes:
  0  all went well
  1  it failed; standard error tells why
  2  a mistake on the command line
  3  nothing here has credentials
  4  explain only: a person would have to be asked
`

func version(_ context.Context, c *call) error {
	text := "stschain"
	if info, ok := debug.ReadBuildInfo(); ok {
		text += " " + info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				text += " " + s.Value
			}
		}
	}
	_, err := fmt.Fprintf(c.stdout, "%s %s %s/%s\n", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
