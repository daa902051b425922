package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/source/sso"
)

const loginHelp = `
It signs in to the IAM Identity Center of the profile, or of the sso-session, as aws sso login does:
the AWS CLI and the SDKs use the token in ~/.aws/sso/cache, and refresh it.

  stschain login -profile dev
  stschain login -sso-session work -device-code

With an sso-session it opens a browser on this machine, if there is one: that of BROWSER, or of the
desktop. Otherwise, and with -device-code, sign in with any browser: it shows a code to compare.
Never confirm a code that you did not request.
`

// signIn returns what signs in and out.
func (c *call) signIn(ctx context.Context) (*sso.Login, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	l, err := (&profile.Provider{Profile: c.profile, AllowHTTP: c.allowHTTP, LookupEnv: c.lookupEnv}).Login(ctx, c.ssoSession)
	if stschain.IsUnavailable(err) {
		err = fmt.Errorf("%w: give -profile, or -sso-session", err)
	}
	return l, err
}

func logIn(ctx context.Context, c *call) error {
	l, err := c.signIn(ctx)
	if err != nil {
		return err
	}
	browser := c.browser()
	l.Browser = browser != nil && l.Session != "" && !c.deviceCode
	pending, err := l.Begin(ctx)
	if err != nil {
		return err
	}
	defer pending.Close()
	fmt.Fprintf(c.stderr, "Open this page to sign in:\n\n  %s\n\n", pending.URL)
	if pending.UserCode != "" {
		fmt.Fprintf(c.stderr, "and compare this code:\n\n  %s\n\n", pending.UserCode)
	}
	if browser != nil && !c.deviceCode {
		c.open(browser, pending.URL)
	}
	expires, err := pending.Wait(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "signed in to %s until %s\n", printable(center(l)), expiry(expires, time.Now()))
	return err
}

// center is the name of what a Login signs in to.
func center(l *sso.Login) string {
	if l.Session != "" {
		return l.Session
	}
	return l.StartURL
}

const logoutHelp = `
It ends the session at the portal of IAM Identity Center, and removes its token, the sessions of
roles that were kept from it, and the credentials of roles that the AWS CLI cached. Credentials that
other programs have stay valid until they expire.
`

func logout(ctx context.Context, c *call) error {
	l, err := c.signIn(ctx)
	if err != nil {
		return err
	}
	ended := l.Logout(ctx)
	var kept error
	if dir := c.sessionsDir(center(l)); dir != "" {
		kept = forgetSignIn(dir)
	}
	forgotten := forgetRoles(filepath.Join(filepath.Dir(filepath.Dir(l.CacheDir)), "cli", "cache"))
	if err := errors.Join(ended, kept, forgotten); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "signed out of %s\n", printable(center(l)))
	return err
}

// forgetRoles removes the files with credentials of roles in IAM Identity Center, which the AWS CLI caches. They do not
// say which session they are from, so all are removed, as by aws sso logout.
func forgetRoles(dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	failed := err
	for _, entry := range files {
		file := filepath.Join(dir, entry.Name())
		if filepath.Ext(file) != ".json" || !fromIdentityCenter(file) {
			continue
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// fromIdentityCenter reports whether a file has credentials of a role in IAM Identity Center.
func fromIdentityCenter(file string) bool {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	var doc struct{ ProviderType string }
	return json.NewDecoder(io.LimitReader(f, 1<<20)).Decode(&doc) == nil && doc.ProviderType == "sso"
}
