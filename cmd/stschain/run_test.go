package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/ststest"
)

func TestUsage(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"", 0, "usage: stschain <command>", ""},
		{"help", 0, "exit codes:", ""},
		{"-h", 0, "whoami", ""},
		{"--help", 0, "whoami", ""},
		{"help env", 0, "-shell", ""},
		{"env -h", 0, "Out-String", ""},
		{"serve --help", 0, "-token-file", ""},
		{"help version", 0, "usage: stschain version", ""},
		{"version", 0, "stschain ", ""},
		{"--version", 0, "stschain ", ""},
		{"help nothing", 2, "", `unknown command "nothing"; see "stschain help"`},
		{"-profile x whoami", 2, "", `unknown command "-profile": flags follow the command; see "stschain help"`},
		{"who", 2, "", `unknown command "who"; did you mean "whoami"?`},
		{"help evn", 2, "", `unknown command "evn"; did you mean "env"?`},
		{"whoami -nothing", 2, "", `whoami: flag provided but not defined: -nothing; see "stschain help whoami"`},
		{"whoami x", 2, "", `whoami takes flags only, not "x"`},
		{"whoami -timeout soon", 2, "", "-timeout"},
		{"whoami -timeout 0s", 2, "", "-timeout must be more than 0"},
		{"whoami -profile= -region x", 2, "", "whoami: -profile is empty"},
		{"serve -token-file=", 2, "", "serve: -token-file is empty"},
		{"whoami -shell sh", 2, "", "-shell"},
		{"env -shell csh", 2, "", `-shell "csh" is not one of sh, bash, zsh, fish, powershell`},
		{"version x", 2, "", "takes flags only"},
		{"serve -addr 0.0.0.0:0", 2, "", "is not a loopback address"},
		{"serve -addr 192.0.2.1:80", 2, "", "is not a loopback address"},
		{"serve -addr 1234", 2, "", "is not an address"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			code, stdout, stderr := w.run(strings.Fields(tt.args)...)
			require.Equal(t, tt.code, code, stderr)
			require.Contains(t, stdout, tt.stdout)
			require.Contains(t, stderr, tt.stderr)
			if tt.code == 0 {
				require.Empty(t, stderr)
			} else {
				require.Empty(t, stdout)
				require.Contains(t, stderr, `see "stschain help`)
			}
		})
	}
	for _, cmd := range commands() {
		_, stdout, _ := w.run("help", cmd.name)
		require.Contains(t, stdout, cmd.does[1:])
		for line := range strings.Lines(stdout) {
			require.LessOrEqual(t, len(line), 101, line)
		}
	}
}

// The exit code and the output of each command in each state.
func TestCommands(t *testing.T) {
	const role = "[default]\nrole_arn = " + roleARN + "\nsource_profile = base\n[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = canary/base/secret\n"
	down := func(s *ststest.Server) { s.FailAll(ststest.Refuse(http.StatusForbidden, "AccessDenied", "not you")) }
	for name, tt := range map[string]struct {
		keys    bool
		env     map[string]string
		config  string
		outage  func(*ststest.Server)
		args    string
		code    int
		stdout  []string
		stderr  []string
		secrets bool // stdout has some
	}{
		"whoami":                    {keys: true, args: "whoami", stdout: []string{"arn            arn:aws:iam::123456789012:user/alice\n", "origin         env\n", "expires        never\n"}},
		"whoami, JSON":              {keys: true, args: "whoami -json", stdout: []string{`"arn": "arn:aws:iam::123456789012:user/alice"`, `"origin": "env"`}},
		"whoami, a role":            {keys: true, args: "whoami -role-arn " + roleARN, stdout: []string{":assumed-role/backup/", "assumerole " + roleARN, "(in "}},
		"whoami, events":            {keys: true, args: "whoami -v", stdout: []string{"user/alice"}, stderr: []string{`msg="aws credentials refresh started"`, `msg="aws credentials refreshed"`}},
		"whoami, nothing here":      {args: "whoami", code: 3, stderr: []string{"stschain whoami: source: no AWS credentials found; tried, in order:", "1. env: AWS_ACCESS_KEY_ID is not set"}},
		"whoami, refused":           {keys: true, args: "whoami", outage: down, code: 1, stderr: []string{"AccessDenied"}},
		"whoami, no region":         {keys: true, env: map[string]string{"AWS_REGION": ""}, args: "whoami", code: 1, stderr: []string{"set AWS_REGION, region in the profile, or give -region"}},
		"whoami, region by flag":    {keys: true, env: map[string]string{"AWS_REGION": ""}, args: "whoami -region eu-west-1", stdout: []string{"alice"}},
		"whoami, no such profile":   {config: "[profile production]\n", args: "whoami -profile prod", code: 1, stderr: []string{`-profile names the profile "prod"`, `did you mean "production"?`}},
		"whoami, a role, no keys":   {env: map[string]string{"AWS_REGION": ""}, args: "whoami -role-arn " + roleARN, code: 3, stderr: []string{"no AWS credentials found"}},
		"whoami, FIPS and endpoint": {keys: true, env: map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, args: "whoami", code: 1, stderr: []string{"AWS_USE_FIPS_ENDPOINT"}},
		"whoami, half a key":        {env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIA"}, args: "whoami", code: 1, stderr: []string{"AWS_SECRET_ACCESS_KEY is not set"}},

		"env":         {keys: true, args: "env", secrets: true, stdout: []string{"export AWS_ACCESS_KEY_ID='", "export AWS_SECRET_ACCESS_KEY='", "\nunset AWS_SESSION_TOKEN\nunset AWS_CREDENTIAL_EXPIRATION\nunset AWS_SESSION_EXPIRATION\nunset AWS_ACCOUNT_ID\n"}},
		"env, a role": {keys: true, args: "env -role-arn " + roleARN, secrets: true, stdout: []string{"export AWS_SESSION_TOKEN='", "export AWS_CREDENTIAL_EXPIRATION='20", "export AWS_SESSION_EXPIRATION='20", "export AWS_ACCOUNT_ID='123456789012'"}},
		"env, a profile": {config: "[profile prod]\nregion = eu-central-1\naws_access_key_id = AKIABASE\naws_secret_access_key = canary/base/secret\n", env: map[string]string{"AWS_PROFILE": "dev", "AWS_REGION": ""},
			args: "env -profile prod", secrets: true, stdout: []string{"export AWS_ACCESS_KEY_ID='AKIABASE'", "\nunset AWS_PROFILE\nunset AWS_DEFAULT_PROFILE\nunset AWS_WEB_IDENTITY_TOKEN_FILE\n", "\nexport AWS_REGION='eu-central-1'\nexport AWS_DEFAULT_REGION='eu-central-1'\n"}},
		"env, another profile": {config: "[profile prod]\nregion = eu-central-1\naws_access_key_id = AKIABASE\naws_secret_access_key = canary/base/secret\n",
			args: "env -profile prod", secrets: true, stdout: []string{"\nexport AWS_REGION='eu-central-1'\nexport AWS_DEFAULT_REGION='eu-central-1'\n"}},
		"env, a profile without a region": {config: "[profile prod]\naws_access_key_id = AKIABASE\naws_secret_access_key = canary/base/secret\n",
			args: "env -profile prod", secrets: true, stdout: []string{"\nexport AWS_REGION='eu-west-1'\n"}},
		"env, fish":         {keys: true, args: "env -shell fish", secrets: true, stdout: []string{"set -gx AWS_ACCESS_KEY_ID '", "set -e AWS_SESSION_TOKEN; or true\n"}},
		"env, PowerShell":   {keys: true, args: "env -shell powershell", secrets: true, stdout: []string{"$env:AWS_ACCESS_KEY_ID = '", `Remove-Item -ErrorAction SilentlyContinue Env:\AWS_SESSION_TOKEN`}},
		"env, JSON":         {keys: true, args: "env -json", secrets: true, stdout: []string{`"AWS_SECRET_ACCESS_KEY": "`}},
		"env, nothing here": {args: "env", code: 3, stderr: []string{"no AWS credentials found"}},

		"process":               {keys: true, args: "process", secrets: true, stdout: []string{`"Version":1`, `"SecretAccessKey":"`}},
		"process, a role":       {keys: true, args: "process -role-arn " + roleARN, secrets: true, stdout: []string{`"SessionToken":"`, `"Expiration":"20`}},
		"process, nothing here": {args: "process", code: 3, stderr: []string{"no AWS credentials found"}},
		"process, refused":      {keys: true, args: "process -role-arn " + roleARN, outage: down, code: 1, stderr: []string{roleARN, "AccessDenied"}},

		"serve, nothing here": {args: "serve", code: 3, stderr: []string{"no AWS credentials found"}},

		"explain":               {keys: true, args: "explain", stdout: []string{"succeeded       default chain\nsucceeded         env: ", ", no expiry\nnot called        webidentity from the environment\nnot called        profile default\n"}},
		"explain, nothing here": {args: "explain", code: 3, stdout: []string{"not configured  default chain\n", "not configured    container: neither "}},
		"explain, a role": {keys: true, args: "explain -role-arn " + roleARN, stdout: []string{"succeeded       assumerole " + roleARN + ": ASIA",
			"\nsucceeded         default chain\nsucceeded           env: "}},
		"explain, a role, no region": {keys: true, env: map[string]string{"AWS_REGION": ""}, args: "explain -role-arn " + roleARN, code: 1,
			stdout: []string{"succeeded       default chain\n"}, stderr: []string{"cannot be assumed: source: no client of STS: no region is set"}},
		"explain, a role, no keys": {env: map[string]string{"AWS_REGION": ""}, args: "explain -role-arn " + roleARN, code: 3, stdout: []string{"not configured  default chain\n"}},
		"explain, broken role": {config: role, args: "explain", code: 1, outage: down, stdout: []string{
			"failed          default chain\nnot configured    env: AWS_ACCESS_KEY_ID is not set\nnot configured    webidentity from the environment: AWS_WEB_IDENTITY_TOKEN_FILE is not set\nfailed            profile default",
			"\nfailed              assumerole " + roleARN + ": ", "AccessDenied", "\nsucceeded             profile base: AKIABASE, no expiry\n", "not called        imds"}},
		"explain, no such profile": {args: "explain -profile prod", code: 1, stdout: []string{"-profile names the profile"}},
		"explain, JSON":            {config: role, args: "explain -json", code: 1, outage: down, stdout: []string{`"outcome": "failed"`, `"provider": "profile base"`}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tt.keys {
				w.keys()
			}
			w.env = with(w.env, tt.env)
			if tt.config != "" {
				w.config(tt.config)
			}
			if tt.outage != nil {
				tt.outage(w.sts)
				w.sts.AllowRefusals()
			}
			code, stdout, stderr := w.run(strings.Fields(tt.args)...)
			require.Equal(t, tt.code, code, stdout+stderr)
			require.NotRegexp(t, `(Default|Provider|Client)\.[A-Z]|RoleARN|MFAToken|CacheDir`, stdout+stderr, "users have flags")
			for _, want := range tt.stdout {
				require.Contains(t, timeless(stdout), want)
			}
			for _, want := range tt.stderr {
				require.Contains(t, stderr, want)
			}
			if len(tt.stdout) == 0 {
				require.Empty(t, stdout, "standard output is for results")
			}
			if len(tt.stderr) == 0 {
				require.Empty(t, stderr)
			}
			for _, secret := range []string{w.secret(), "canary/base/secret"} {
				canary.CheckText(t, secret, stderr)
				if !tt.secrets {
					canary.CheckText(t, secret, stdout)
				}
			}
			if strings.Contains(tt.args, "-json") && tt.code != 2 {
				require.True(t, json.Valid([]byte(stdout)), stdout)
			}
		})
	}
}

// timeless is an explanation without what took how long, which depends on the machine.
func timeless(explanation string) string {
	return regexp.MustCompile(`[:,] took [0-9.]+m?s\b`).ReplaceAllString(explanation, "")
}

// mfaConfig is a role that takes the code of a device.
func mfaConfig(w *world, serial string) *world {
	return w.config("[default]\nrole_arn = " + roleARN + "\nmfa_serial = " + serial + "\nsource_profile = base\n[profile base]\naws_access_key_id = " +
		w.sts.User().Credentials.AccessKeyID + "\naws_secret_access_key = " + w.secret() + "\n")
}

func TestMFA(t *testing.T) {
	w := newWorld(t)
	device := w.sts.AddTOTP("alice")
	w.sts.AddRole(ststest.Role{ARN: roleARN, MFA: true})
	mfaConfig(w, device.Serial)

	code, stdout, stderr := w.run("explain")
	require.Equal(t, 4, code, stdout)
	stdout = timeless(stdout)
	require.Contains(t, stdout, "needs prompt    default chain\n")
	require.Contains(t, stdout, "needs prompt        assumerole "+roleARN+": no MFA code for "+device.Serial+": stschain: interactive prompt required")
	require.Contains(t, stdout, "succeeded             profile base: ")
	require.Empty(t, stderr)

	code, _, stderr = w.run("process")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "the MFA code of "+device.Serial+" is required, and standard input is not a terminal")

	null, err := os.Open(os.DevNull) // a device of characters, and no terminal
	require.NoError(t, err)
	defer null.Close()
	w.stdin = null
	code, _, stderr = w.run("process")
	require.Equal(t, 1, code)
	if runtime.GOOS != "windows" {
		require.Contains(t, stderr, "standard input is not a terminal")
	}

	typed, err := device.MFAToken(t.Context(), device.Serial)
	require.NoError(t, err)
	w.stdin = terminal{strings.NewReader(typed.Reveal() + "\r\nrest")}
	code, stdout, stderr = w.run("whoami")
	require.Equal(t, 0, code, stderr)
	require.Contains(t, stdout, ":assumed-role/backup/")
	require.Equal(t, "MFA code of "+device.Serial+": ", stderr)

	code, _, stderr = w.run("explain")
	require.Equal(t, 4, code, "also on a terminal")
	require.Empty(t, stderr)

	for typed, want := range map[string]string{
		"": "the input ended", "\n": "no MFA code: none was entered", strings.Repeat("1", 100): "longer than any MFA code",
	} {
		w.stdin = terminal{strings.NewReader(typed)}
		code, stdout, stderr = w.run("env", "-no-cache")
		require.Equal(t, 1, code)
		require.Empty(t, stdout)
		require.Contains(t, stderr, want)
	}
}

// A line is the input of the current prompt, not of an abandoned one: serve prompts again
// and again.
func TestPromptAfterOneThatWasGivenUp(t *testing.T) {
	in, keyboard := io.Pipe()
	defer keyboard.Close()
	c := &call{stdin: terminal{in}, stderr: io.Discard}
	left, leave := context.WithCancel(t.Context())
	leave()
	_, err := c.promptMFA(left, "phone")
	require.ErrorIs(t, err, context.Canceled)

	for _, want := range []string{"123456", "654321"} {
		c.stderr = prompted(func() { go io.WriteString(keyboard, want+"\n") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		code, err := c.promptMFA(ctx, "phone")
		require.NoError(t, err)
		require.Equal(t, want, code.Reveal())
	}
}

// prompted is a standard error that calls a function for each prompt.
type prompted func()

func (p prompted) Write(b []byte) (int, error) { p(); return len(b), nil }

// A result that cannot be written is a failure.
func TestBrokenStandardOutput(t *testing.T) {
	w := newWorld(t).keys()
	for _, args := range []string{"whoami", "whoami -json", "env", "env -json", "process", "explain", "explain -json", "version", "serve"} {
		var stderr buffer
		code := run(t.Context(), strings.Fields(args), w.stdin, brokenPipe{}, &stderr, w.lookupEnv)
		require.Equal(t, 1, code, args)
		require.Contains(t, stderr.String(), "broken pipe", args)
		canary.CheckText(t, w.secret(), stderr.String())
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// A source that hangs ends with -timeout.
func TestTimeout(t *testing.T) {
	for _, args := range []string{"whoami", "env -role-arn " + roleARN, "explain -role-arn " + roleARN, "serve -role-arn " + roleARN} {
		w := newWorld(t).keys()
		w.sts.FailAll(ststest.Hang())
		code, _, _ := w.run(append(strings.Fields(args), "-timeout", "50ms")...)
		require.Equal(t, 1, code, args)
		w.sts.Heal()
	}
}

func TestVariables(t *testing.T) {
	c := &call{stdout: new(buffer), flags: flags{shell: "sh"}}
	require.ErrorContains(t, c.printVariables([]variable{{"X", stschain.NewSecret("a\nrm")}}), "control characters")
	require.Equal(t, "powershell", defaultShell("windows"))
}
