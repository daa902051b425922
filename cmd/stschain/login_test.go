package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/ststest"
)

const ssoConfig = `[profile dev]
sso_session = work
sso_account_id = 123456789012
sso_role_name = backup

[sso-session work]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1

[profile old]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = backup

[profile keys]
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = s
`

// centerWorld is a machine with profiles of IAM Identity Center.
func centerWorld(t *testing.T) (*world, *ststest.Portal) {
	w := newWorld(t).config(ssoConfig)
	w.env["AWS_ENDPOINT_URL_SSO"], w.env["AWS_ENDPOINT_URL_SSO_OIDC"] = w.sts.URL(), w.sts.URL()
	return w, w.sts.AddIdentityCenter(ststest.IdentityCenter{StartURL: "https://example.awsapps.com/start", Interval: time.Second})
}

// user reads standard error and decides about the code there.
type user struct {
	buffer
	decide func(code string)
}

func (u *user) Write(p []byte) (int, error) {
	if code := regexp.MustCompile(`(?m)^  ([A-Z]{4}-[A-Z]{4})$`).FindSubmatch(p); code != nil {
		u.decide(string(code[1]))
	}
	return u.buffer.Write(p)
}

// secrets are those in the files of the tokens.
func (w *world) secrets() (all []string) {
	files, err := filepath.Glob(filepath.Join(w.home, ".aws", "sso", "cache", "*.json"))
	require.NoError(w.t, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(w.t, err)
		var doc map[string]any
		require.NoError(w.t, json.Unmarshal(content, &doc))
		for _, name := range []string{"accessToken", "refreshToken", "clientSecret"} {
			if text, ok := doc[name].(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}

// The user signs in by device code, uses the profile, and signs out.
func TestLoginDeviceCode(t *testing.T) {
	for name, args := range map[string][]string{
		"no browser":  {"login", "-profile", "dev"},
		"device code": {"login", "-profile", "dev", "-device-code"},
		"session":     {"login", "-sso-session", "work"},
		"legacy":      {"login", "-profile", "old"},
	} {
		t.Run(name, func(t *testing.T) {
			w, portal := centerWorld(t)
			if name == "device code" {
				w.env["BROWSER"] = os.Args[0] // it is not started
			}
			profile := "dev"
			if name == "legacy" {
				profile = "old"
			}
			code, _, stderr := w.run("whoami", "-profile", profile)
			require.Equal(t, exitFailed, code)
			require.Regexp(t, `not signed in: .*; run stschain login -(sso-session work|profile old)\n`, stderr)

			var stdout buffer
			u := &user{decide: func(code string) { require.True(t, portal.Confirm(code, true)) }}
			code = run(t.Context(), args, w.stdin, &stdout, u, w.lookupEnv)
			require.Equal(t, exitOK, code, u.String())
			require.Regexp(t, `^signed in to (work|https://example.awsapps.com/start) until 20.*Z \(in [\d.hms]+\)\n$`, stdout.String())
			require.Contains(t, u.String(), "Open this page to sign in:\n\n  https://device.sso.eu-west-1.amazonaws.com/?user_code=")
			secrets := w.secrets()
			require.NotEmpty(t, secrets)
			for _, secret := range secrets {
				canary.CheckText(t, secret, stdout.String()+u.String())
			}
			code, out, stderr := w.run("whoami", "-profile", profile)
			require.Equal(t, exitOK, code, stderr)
			require.Contains(t, out, "arn:aws:sts::123456789012:assumed-role/backup/user")

			// Signing out also removes what the AWS CLI cached.
			roles := filepath.Join(w.home, ".aws", "cli", "cache")
			require.NoError(t, os.MkdirAll(roles, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(roles, "a.json"), []byte(`{"ProviderType":"sso","Credentials":{}}`), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(roles, "b.json"), []byte(`{"Credentials":{}}`), 0o600))
			code, out, stderr = w.run(append([]string{"logout"}, args[1:3]...)...)
			require.Equal(t, exitOK, code, stderr)
			require.Regexp(t, `^signed out of (work|https://example.awsapps.com/start)\n$`, out)
			require.NoFileExists(t, filepath.Join(roles, "a.json"))
			require.FileExists(t, filepath.Join(roles, "b.json"))
			require.Equal(t, 1, w.sts.Count("Logout"))
			code, _, stderr = w.run("whoami", "-profile", profile)
			require.Equal(t, exitFailed, code)
			require.Contains(t, stderr, "not signed in")
			code, _, stderr = w.run(append([]string{"logout"}, args[1:3]...)...)
			require.Equal(t, exitOK, code, "there is nothing to sign out of: %s", stderr)
		})
	}
}

// The user signs in with a browser on this machine.
func TestLoginInBrowser(t *testing.T) {
	t.Setenv("STSCHAIN_TEST_BROWSER", "1")
	w, _ := centerWorld(t)
	w.env["BROWSER"] = os.Args[0] + " %s"
	code, stdout, stderr := w.run("login", "-profile", "dev")
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "signed in to work until ")
	require.NotContains(t, stderr, "compare this code")
	code, stdout, stderr = w.run("whoami", "-profile", "dev")
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "assumed-role/backup/user")
}

func TestLoginFails(t *testing.T) {
	for name, test := range map[string]struct {
		args   string
		decide func(context.CancelFunc, *ststest.Portal, string)
		want   string
	}{
		"denied": {"login -profile dev", func(_ context.CancelFunc, p *ststest.Portal, code string) { p.Confirm(code, false) },
			"stschain login: sso: not signed in: the request was denied in the browser"},
		"interrupted": {"login -profile dev", func(stop context.CancelFunc, _ *ststest.Portal, _ string) { stop() },
			"stschain login: sso: not signed in: context canceled"},
		"no profile": {"login", nil, "no profile is selected, and there is no profile default in "},
		"no flag":    {"logout", nil, ": give -profile, or -sso-session\n"},
		"no session": {"login -sso-session play", nil, "there is no [sso-session play] in "},
		"keys":       {"login -profile keys", nil, "[profile keys] does not use IAM Identity Center: set sso_session in it, or name another profile or an sso-session"},
		"logout":     {"logout -profile keys", nil, "[profile keys] does not use IAM Identity Center"},
	} {
		t.Run(name, func(t *testing.T) {
			w, portal := centerWorld(t)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var stdout buffer
			u := &user{decide: func(code string) { test.decide(stop, portal, code) }}
			require.Equal(t, exitFailed, run(ctx, strings.Fields(test.args), w.stdin, &stdout, u, w.lookupEnv))
			require.Empty(t, stdout.String())
			require.Contains(t, u.String(), test.want)
		})
	}
}

func TestBrowserCommand(t *testing.T) {
	for _, test := range []struct {
		goos string
		env  map[string]string
		want []string
	}{
		{"linux", nil, nil},
		{"linux", map[string]string{"DISPLAY": ":0"}, []string{"xdg-open"}},
		{"linux", map[string]string{"WAYLAND_DISPLAY": "wayland-0"}, []string{"xdg-open"}},
		{"linux", map[string]string{"DISPLAY": ":0", "SSH_CONNECTION": "1 2 3 4"}, nil},
		{"linux", map[string]string{"BROWSER": "firefox -P work %s:lynx", "SSH_CONNECTION": "1 2 3 4"}, []string{"firefox", "-P", "work", "%s"}},
		{"darwin", nil, []string{"open"}},
		{"darwin", map[string]string{"SSH_CONNECTION": "1 2 3 4"}, nil},
		{"windows", nil, []string{"rundll32", "url.dll,FileProtocolHandler"}},
		{"windows", map[string]string{"BROWSER": `C:\Program Files\x.exe`}, []string{`C:\Program Files\x.exe`}},
	} {
		require.Equal(t, test.want, browserCommand(test.goos, func(name string) string { return test.env[name] }))
	}
}

func TestConsole(t *testing.T) {
	w := newWorld(t).keys()
	w.env["AWS_ENDPOINT_URL_SIGNIN"] = w.sts.URL()
	code, stdout, stderr := w.run("console", "-role-arn", roleARN, "-destination", "/s3/buckets", "-duration", "1h")
	require.Equal(t, exitOK, code, stderr)
	link := strings.TrimSpace(stdout)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(link)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusFound, resp.StatusCode)
	require.Equal(t, "https://eu-west-1.console.aws.amazon.com/s3/buckets", resp.Header.Get("Location"))
	require.Empty(t, stderr)

	code, stdout, _ = w.run("console", "-role-arn", roleARN, "-json")
	require.Equal(t, exitOK, code)
	var doc struct {
		URL     string
		Expires time.Time
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &doc))
	require.Contains(t, doc.URL, w.sts.URL()+"/federation?Action=login&")
	require.WithinDuration(t, time.Now().Add(15*time.Minute), doc.Expires, 5*time.Minute)

	code, stdout, stderr = w.run("console")
	require.Equal(t, exitFailed, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "the console accepts temporary ones only: give -role-arn, or a profile with a role")
	code, _, stderr = w.run("console", "-role-arn", roleARN, "-duration", "1m")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "Duration is 1m0s, and whole seconds from 15m0s to 12h0m0s are allowed")
	code, _, stderr = w.run("console", "-role-arn", roleARN, "-destination", "ftp://x")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "Destination has the scheme")

	// In a browser.
	code, _, stderr = w.run("console", "-role-arn", roleARN, "-open")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "there is no browser on this machine to open: set BROWSER")
}

// The link is opened instead of printed.
func TestConsoleOpens(t *testing.T) {
	t.Setenv("STSCHAIN_TEST_BROWSER", "1")
	w := newWorld(t).keys()
	opened := make(chan string, 1)
	w.sts.OnCall = func(c ststest.Call) {
		if c.Operation == "login" {
			opened <- c.Form.Get("Destination")
		}
	}
	w.env["BROWSER"], w.env["AWS_ENDPOINT_URL_SIGNIN"] = os.Args[0], w.sts.URL()
	code, stdout, stderr := w.run("console", "-role-arn", roleARN, "-open")
	require.Equal(t, exitOK, code, stderr)
	require.Empty(t, stdout)
	require.Regexp(t, `^opened the console with the credentials of assumerole [^?]*\n$`, stderr)
	require.Equal(t, "https://eu-west-1.console.aws.amazon.com/console/home?region=eu-west-1", <-opened)
}

// signIn signs in to the IAM Identity Center of a profile.
func (w *world) signIn(portal *ststest.Portal, profile string) {
	u := &user{decide: func(code string) { portal.Confirm(code, true) }}
	require.Equal(w.t, exitOK, run(w.t.Context(), []string{"login", "-profile", profile}, w.stdin, io.Discard, u, w.lookupEnv), u.String())
}

// kept returns the number of sessions that are kept in a directory.
func (w *world) kept(dir string) (n int) {
	entries, err := os.ReadDir(filepath.Join(dir, sessionDir))
	require.NoError(w.t, err)
	for _, entry := range entries {
		if entry.IsDir() {
			n++
		}
	}
	return n
}

// Signing out forgets the sessions that come from that sign-in, also those of roles that its credentials assumed, and no others.
func TestLogoutForgets(t *testing.T) {
	w, portal := centerWorld(t)
	w.env["LOCALAPPDATA"] = w.home
	w.config(ssoConfig + "[profile further]\nrole_arn = " + roleARN + "2\nsource_profile = dev\n" +
		"[profile base]\naws_access_key_id = " + w.sts.User().Credentials.AccessKeyID + "\naws_secret_access_key = " + w.secret() + "\n" +
		"[profile role]\nrole_arn = " + roleARN + "\nsource_profile = base\n")
	commands := [][]string{{"-profile", "dev"}, {"-profile", "further"}, {"-profile", "dev", "-role-arn", roleARN + "3"}}
	others := [][]string{{"-profile", "old"}, {"-profile", "role"}, {"-profile", "base", "-role-arn", roleARN + "4"}}
	issued := func() int { return w.sts.Count("AssumeRole") + w.sts.Count("GetRoleCredentials") }

	work := filepath.Join(w.state(), signInDir, "e274eeff768c6396088ec6eb091f4bf4d47ab1e0")
	w.signIn(portal, "old")
	for range 2 {
		w.signIn(portal, "dev")
		for range 2 {
			for _, args := range append(commands, others...) {
				w.session(args...)
			}
		}
		require.Equal(t, 3, w.kept(work))
		require.Equal(t, 2, w.kept(w.state()))
		code, _, stderr := w.run("logout", "-profile", "dev")
		require.Equal(t, exitOK, code, stderr)
		require.NoDirExists(t, work)
	}
	require.Equal(t, 9, issued(), "three for each sign-in, and three others once")
	code, _, stderr := w.run("forget")
	require.Equal(t, exitOK, code, stderr)
	signIns, err := os.ReadDir(filepath.Join(w.state(), signInDir))
	require.NoError(t, err)
	require.Empty(t, signIns)
}
