package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/serve"
)

const envHelp = `
It prints commands for a shell, which set the variables, and unset what would not fit to them:

  sh, bash, zsh  eval "$(stschain env)"
  fish           stschain env -shell fish | source
  powershell     stschain env -shell powershell | Out-String | Invoke-Expression

If there are no credentials it prints nothing, and eval leaves a shell what it had. A script stops
there by v="$(stschain env)" && eval "$v". The variables do not follow a refresh: they are good
until AWS_CREDENTIAL_EXPIRATION.
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
	var expires string
	if !creds.Expires.IsZero() && creds.Expires.Year() <= 9999 { // which RFC 3339 can say
		expires = creds.Expires.UTC().Format(time.RFC3339)
	}
	return c.printVariables([]variable{
		{"AWS_ACCESS_KEY_ID", stschain.NewSecret(creds.AccessKeyID)},
		{"AWS_SECRET_ACCESS_KEY", creds.SecretAccessKey},
		{"AWS_SESSION_TOKEN", creds.SessionToken},
		{"AWS_CREDENTIAL_EXPIRATION", stschain.NewSecret(expires)},
		{"AWS_ACCOUNT_ID", stschain.NewSecret(creds.AccountID)},
	})
}

const processHelp = `
For a profile of ~/.aws/config:

  [profile from-stschain]
  credential_process = stschain process -profile other

The AWS CLI and most SDKs run it each time they need credentials; serve keeps them.
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
It gives credentials in the way of the container agents until it is interrupted, refreshes them,
and prints the two variables by which SDKs find it, and unsets those of the same kind that SDKs
would take before them. Whoever has the token gets the credentials.

  stschain serve -addr 127.0.0.1:9911 -token-file ~/.stschain-token > ~/.stschain-env &
  . ~/.stschain-env

A token file that is there must be readable for its owner alone, and its token is used; otherwise
it is made. It stays, so that a restart changes nothing for clients.

Programs take AWS_ACCESS_KEY_ID and profiles before these variables: they must not have those.
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
	id, err := c.firstAnswer(ctx)
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
	fmt.Fprintf(c.stderr, "stschain serve: giving the credentials of %s at http://%s/ until interrupted\n", printable(id.Status().Origin), l.Addr())
	return serve.Serve(ctx, l, h)
}

// firstAnswer finds out before anybody relies on it whether there are credentials.
func (c *call) firstAnswer(ctx context.Context) (identity, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	id, err := c.identity(ctx)
	if err == nil {
		_, err = id.Retrieve(ctx)
	}
	return id, err
}

// tokenOf is the token in a file of the user alone. A file that is not there gets the fresh one.
func tokenOf(path string, fresh stschain.Secret) (stschain.Secret, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = f.WriteString(fresh.Reveal())
		return fresh, errors.Join(err, f.Close())
	}
	if !errors.Is(err, fs.ErrExist) {
		return fresh, err
	}
	info, err := os.Stat(path)
	const most = 4096
	switch {
	case err != nil:
		return fresh, err
	case !info.Mode().IsRegular() || info.Size() > most:
		return fresh, fmt.Errorf("%s is no file with a token", path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return fresh, fmt.Errorf("%s is readable for others, its mode is %#o: chmod 600 it, or name another", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	token := strings.TrimSpace(string(text))
	switch {
	case err != nil:
	case len(token) < shortest:
		err = fmt.Errorf("%s has a token of %d characters, and less than %d can be guessed", path, len(token), shortest)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		err = fmt.Errorf("the token in %s has white space or other characters that no header can carry", path)
	}
	return stschain.NewSecret(token), err
}

const shortest = 16
