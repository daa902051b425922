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

// command is a command of stschain.
type command struct {
	name  string
	does  string
	help  string
	flags []string // their names
	args  string   // what follows the flags; "": nothing
	run   func(context.Context, *call) error
}

// flags are the flags of all commands.
type flags struct {
	profile, region, roleARN string
	timeout                  time.Duration
	json, verbose, allowHTTP bool
	status                   bool
	shell, addr, tokenFile   string
	keys, nest               bool
	ssoSession               string // of login and logout
	deviceCode               bool
	destination              string // of console
	duration                 time.Duration
	openPage                 bool
	noCache, shareCLI, names bool
	args                     []string // after the flags
}

// usage returns the command line after the name of the program.
func (cmd command) usage() string {
	line := cmd.name
	if len(cmd.flags) > 0 {
		line += " [flags]"
	}
	return strings.TrimSpace(line + " " + cmd.args)
}

var common = []string{"allow-http", "no-cache", "profile", "region", "role-arn", "share-with-aws-cli", "timeout", "v"}

// commands returns all commands in the order of the help text.
func commands() []command {
	return []command{
		{"explain", "each place for credentials, in order, and its result", explainHelp, []string{"allow-http", "json", "profile", "region", "role-arn", "timeout"}, "", explain},
		{"whoami", "the identity of the credentials, from STS", whoamiHelp, append([]string{"json"}, common...), "", whoami},
		{"env", "the credentials, as variables for a shell", envHelp, append([]string{"json", "shell"}, common...), "", env},
		{"process", "the credentials, as a credential_process prints them", processHelp, common, "", printProcess},
		{"serve", "the credentials, for every AWS SDK on this machine", serveHelp, append([]string{"addr", "json", "shell", "status", "token-file"}, common...), "", serveUntilDone},
		{"exec", "runs a command that finds the credentials", execHelp, append([]string{"env", "nest"}, common...), "-- command [args]", runCommand},
		{"login", "signs in to IAM Identity Center", loginHelp, []string{"allow-http", "device-code", "profile", "sso-session"}, "", logIn},
		{"logout", "signs out of IAM Identity Center", logoutHelp, []string{"allow-http", "profile", "sso-session"}, "", logout},
		{"console", "a link that signs in to the AWS console", consoleHelp, append([]string{"destination", "duration", "json", "open"}, common...), "", console},
		{"profiles", "the profiles in the files of AWS", profilesHelp, []string{"json", "names"}, "", profiles},
		{"completion", "the script that completes commands in a shell", completionHelp, nil, "bash|zsh|fish", completion},
		{"forget", "removes the sessions of roles that were kept", forgetHelp, nil, "", forget},
		{"version", "the version of stschain", "", nil, "", version},
	}
}

// find returns the command of that name.
func find(name string) (command, bool) {
	for _, cmd := range commands() {
		if cmd.name == name {
			return cmd, true
		}
	}
	return command{}, false
}

// unknownCommand is the error for an unknown command. It suggests the one that was probably meant.
func unknownCommand(name string) error {
	if meant := nearest(name, strings.Fields(commandNames())); meant != "" && name[0] != '-' && len(name) <= maxCommand {
		return usagef("unknown command %q; did you mean %q?", name, meant)
	}
	if strings.HasPrefix(name, "-") {
		return usagef("unknown command %q: flags follow the command", name)
	}
	return usagef("unknown command %q", name)
}

const maxCommand = 30 // bytes, longer than any command

// flagSet returns the flags of a command.
func (c *call) flagSet(cmd command) *flag.FlagSet {
	all := flag.NewFlagSet("", flag.ContinueOnError)
	all.StringVar(&c.profile, "profile", "", "use this `profile` and no other place")
	all.StringVar(&c.region, "region", "", "call STS in this `region`; default: AWS_REGION, or the region of the profile")
	all.StringVar(&c.roleARN, "role-arn", "", "assume the role with this `arn`")
	all.DurationVar(&c.timeout, "timeout", time.Minute, "give up after this `time`; for serve, on one request")
	all.BoolVar(&c.allowHTTP, "allow-http", false, "call configured endpoints by plain http, which anyone on the network path can read")
	all.BoolVar(&c.verbose, "v", false, "log refreshes to standard error")
	all.BoolVar(&c.json, "json", false, "print JSON")
	all.StringVar(&c.shell, "shell", defaultShell(runtime.GOOS), "print commands for this `shell`: "+strings.Join(shells, ", "))
	all.StringVar(&c.addr, "addr", "127.0.0.1:0", "listen at this loopback `address`; port 0: any free port")
	all.BoolVar(&c.status, "status", false, "show the state of the credentials, without secrets and without a token, on the page /status")
	all.BoolVar(&c.keys, "env", false, "set keys, which are not refreshed, instead of the address of a server")
	all.BoolVar(&c.nest, "nest", false, "run the command also below stschain exec")
	all.StringVar(&c.ssoSession, "sso-session", "", "sign in to, or out of, the sso-session of this `name`, whatever the profile uses")
	all.BoolVar(&c.deviceCode, "device-code", false, "open no browser; sign in with any, by comparing a code")
	all.StringVar(&c.destination, "destination", "", "show this `page`, an https URL or a path of the console; default: its home page")
	all.DurationVar(&c.duration, "duration", 0, "`time` until the console signs out, 15m to 12h; default: as long as the credentials are valid")
	all.BoolVar(&c.openPage, "open", false, "open the link in a browser instead of printing it")
	all.BoolVar(&c.noCache, "no-cache", false, "neither use nor keep sessions of roles from one run to the next")
	all.BoolVar(&c.shareCLI, "share-with-aws-cli", false, "also write sessions of roles to the cache of the AWS CLI")
	all.BoolVar(&c.names, "names", false, "print the names only")
	all.StringVar(&c.tokenFile, "token-file", "", "keep the token in this `file`, and print its path instead of the token")

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
	var empty string // most likely because a variable of a script is not set
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
	case cmd.args != "" && set.NArg() == 0:
		return usagef("%s: an argument is missing: stschain %s", cmd.name, cmd.usage())
	case cmd.args == "" && set.NArg() > 0:
		return usagef("%s takes flags only, not %q", cmd.name, set.Arg(0))
	case empty != "":
		return usagef("%s: -%s is empty", cmd.name, empty)
	case c.timeout <= 0:
		return usagef("%s: -timeout must be more than 0", cmd.name)
	}
	c.args = set.Args()
	return checkShell(c.shell)
}

// help prints the commands, or the help of one.
func (c *call) help(args []string) error {
	if len(args) == 0 {
		fmt.Fprint(c.stdout, "stschain prints and serves the AWS credentials that a program would use on this machine.\n\nusage: stschain <command> [flags]\n\n")
		columns := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		for _, cmd := range commands() {
			fmt.Fprintf(columns, "  %s\t%s\n", cmd.name, cmd.does)
		}
		fmt.Fprint(columns, "  help <command>\tthe flags of a command\n")
		columns.Flush()
		fmt.Fprint(c.stdout, exitHelp)
		return nil
	}
	cmd, ok := find(args[0])
	if !ok {
		return unknownCommand(args[0])
	}
	does := "Prints " + cmd.does
	if verb, _, _ := strings.Cut(cmd.does, " "); strings.HasSuffix(verb, "s") {
		does = strings.ToUpper(verb[:1]) + cmd.does[1:]
	}
	fmt.Fprintf(c.stdout, "usage: %s\n\n%s.\n%s", "stschain "+cmd.usage(), does, cmd.help)
	if set := c.flagSet(cmd); len(cmd.flags) > 0 {
		fmt.Fprint(c.stdout, "\nflags:\n")
		set.SetOutput(c.stdout)
		set.PrintDefaults()
	}
	return nil
}

const exitHelp = `
Credentials are resolved in the order of the AWS SDKs for Go and Java: environment variables, web
identity, the profile of AWS_PROFILE or the default profile, container, instance.

exit codes:
  0  success
  1  failure; see standard error
  2  invalid command line
  3  no credentials are configured
  4  explain only: a prompt is required
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
