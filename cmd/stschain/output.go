package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/serve"
	"github.com/stschain-go/stschain/statuspage"
)

const envHelp = `
It prints commands for a shell, which set the keys and the region. They unset AWS_PROFILE and other
variables that an SDK may prefer to the keys:

  sh, bash, zsh  eval "$(stschain env)"
  fish           stschain env -shell fish | source
  powershell     stschain env -shell powershell | Out-String | Invoke-Expression

With -profile, the region is that of the profile, if it has one, and not AWS_REGION, which may be
that of an earlier env.

If it fails it prints nothing. A script stops there with v="$(stschain env)" && eval "$v".
The variables are not refreshed: they are valid until AWS_CREDENTIAL_EXPIRATION.
`

func env(ctx context.Context, c *call) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	id, err := c.identity(ctx)
	if err != nil {
		return err
	}
	creds, err := id.Retrieve(ctx)
	if err != nil {
		return err
	}
	return c.printVariables(append(keys(creds), c.ownRegions(ctx)...))
}

// keys returns the variables of credentials. Those without a value are unset:
// an old value would belong to other credentials.
func keys(creds stschain.Credentials) []variable {
	var expires stschain.Secret
	if !creds.Expires.IsZero() && creds.Expires.Year() <= 9999 { // the last year of RFC 3339
		expires = stschain.NewSecret(creds.Expires.UTC().Format(time.RFC3339))
	}
	variables := []variable{
		{"AWS_ACCESS_KEY_ID", stschain.NewSecret(creds.AccessKeyID)},
		{"AWS_SECRET_ACCESS_KEY", creds.SecretAccessKey},
		{"AWS_SESSION_TOKEN", creds.SessionToken},
		{"AWS_CREDENTIAL_EXPIRATION", expires}, // for botocore
		{"AWS_SESSION_EXPIRATION", expires},    // for shell prompts
		{"AWS_ACCOUNT_ID", stschain.NewSecret(creds.AccountID)},
	}
	for _, name := range preferred {
		variables = append(variables, variable{name: name})
	}
	return variables
}

// preferred are variables that some SDK reads before AWS_ACCESS_KEY_ID, or together with it: a profile (JavaScript,
// .NET, AWS CLI), web identity (.NET), and the old names of keys.
var preferred = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
	"AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SECURITY_TOKEN",
}

// regions returns the variables of the region. There are none if no region is configured, or if the profile cannot be
// read: the region of the shell then stays.
func (c *call) regions(ctx context.Context) []variable {
	configured := c.configuredRegion(ctx)
	if configured == "" {
		return nil
	}
	return regionVariables(configured)
}

// ownRegions are regions, but that of the profile of -profile goes before AWS_REGION: an earlier env has exported that of its own profile.
func (c *call) ownRegions(ctx context.Context) []variable {
	if c.profile != "" && c.region == "" {
		settings, err := c.selected(c.profile, []string{"AWS_REGION", "AWS_DEFAULT_REGION"}).Client(ctx, nil)
		if err == nil && settings.Region != "" {
			return regionVariables(settings.Region)
		}
	}
	return c.regions(ctx)
}

func regionVariables(name string) []variable {
	region := stschain.NewSecret(name)
	return []variable{{"AWS_REGION", region}, {"AWS_DEFAULT_REGION", region}}
}

const processHelp = `
It is for a profile in ~/.aws/config:

  [profile from-stschain]
  credential_process = stschain process -profile other

The AWS CLI and most SDKs run it each time they need credentials; serve caches them.
`

func printProcess(ctx context.Context, c *call) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	id, err := c.identity(ctx)
	if err != nil {
		return err
	}
	return serve.WriteProcess(ctx, c.stdout, id.Cache)
}

const serveHelp = `
It serves credentials like a container agent until it is interrupted, and refreshes them. It prints
the two variables that SDKs read, and unsets those that SDKs prefer to them. The token gives access
to the credentials.

  stschain serve -addr 127.0.0.1:9911 -token-file ~/.stschain-token > ~/.stschain-env &
  . ~/.stschain-env

A token file that exists must be readable by its owner only; otherwise it is created. It is kept, so
clients continue to work after a restart.

SDKs prefer AWS_ACCESS_KEY_ID and profiles to these variables: clients must not have them.

With -status, browsers on this machine can show the state of the credentials on the page /status,
and scripts at /status?format=json. Other users of this machine can see it too.
`

func serveUntilDone(ctx context.Context, c *call) error {
	l, err := serve.Listen(ctx, c.addr)
	if err != nil {
		if errors.As(err, new(*net.OpError)) {
			return err
		}
		return usageError{err}
	}
	defer l.Close()
	id, _, err := c.ready(ctx)
	if err != nil {
		return err
	}
	h := &serve.Handler{
		Credentials: id.Cache, Token: serve.NewToken(), Timeout: c.timeout,
		OnError: func(err error) { fmt.Fprintf(c.stderr, "stschain serve: %v\n", err) },
	}
	token, file := h.Token, stschain.Secret{}
	if c.tokenFile != "" {
		path, err := filepath.Abs(c.tokenFile)
		if err != nil {
			return err
		}
		if h.Token, err = tokenOf(path, h.Token); err != nil {
			return fmt.Errorf("token file: %w", err)
		}
		token, file = stschain.Secret{}, stschain.NewSecret(path)
	}
	if err := c.printVariables([]variable{
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI", stschain.NewSecret("http://" + l.Addr().String() + "/")},
		{"AWS_CONTAINER_AUTHORIZATION_TOKEN", token},
		{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file},
		{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", stschain.Secret{}},
	}); err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "stschain serve: serving the credentials of %s at http://%s/ until interrupted\n", printable(id.Status().Origin), l.Addr())
	if !c.status {
		return serve.Serve(ctx, l, h)
	}
	fmt.Fprintf(c.stderr, "stschain serve: their state is at http://%s/status\n", l.Addr())
	return serve.Serve(ctx, l, withStatus(h, &statuspage.Handler{
		Title: "stschain serve", Providers: []statuspage.Provider{{Name: "credentials", Provider: id.Cache, Events: c.events}},
	}))
}

// pageTimeout is how long a client may take to read the page with the state.
const pageTimeout = time.Minute

// withStatus serves a page at /status, and at other paths what h serves. A ServeMux would make the program 37 kB larger.
func withStatus(h, page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/status" {
			// The page may be larger than the buffer of a connection, and is of no use to a client that does not read it.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(pageTimeout))
			page.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// ready returns the identity when it has credentials, and these.
func (c *call) ready(ctx context.Context) (identity, stschain.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	id, err := c.identity(ctx)
	if err != nil {
		return identity{}, stschain.Credentials{}, err
	}
	creds, err := id.Retrieve(ctx)
	return id, creds, err
}

// tokenOf returns the token in a private file. A file that does not exist is created with the fresh one.
func tokenOf(path string, fresh stschain.Secret) (stschain.Secret, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) { // an existing one may be in a read-only directory
		if err = createFile(path, []byte(fresh.Reveal())); !errors.Is(err, fs.ErrExist) {
			return fresh, err
		}
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fresh, err
	case runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0:
		return fresh, fmt.Errorf("%s is readable by others, with mode %#o: chmod 600 it, or choose another file", path, info.Mode().Perm())
	}
	text, err := readFile(path, 4096)
	token := strings.TrimSpace(string(text))
	switch {
	case err != nil:
	case len(token) < shortest:
		err = fmt.Errorf("the token in %s has %d characters, and at least %d are required", path, len(token), shortest)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		err = fmt.Errorf("the token in %s contains white space or other characters that an HTTP header cannot carry", path)
	}
	return stschain.NewSecret(token), err
}

// shortest is the length of a token that cannot be guessed.
const shortest = 16
