// Package sso gets the credentials of a role from AWS IAM Identity Center (formerly AWS SSO),
// after the user signed in with `aws sso login` or with a [Login] of this package.
//
// A profile names the role and the session:
//
//	[profile dev]
//	sso_session    = work
//	sso_account_id = 123456789012
//	sso_role_name  = Developer
//
//	[sso-session work]
//	sso_start_url = https://example.awsapps.com/start
//	sso_region    = eu-west-1
//
// The AWS CLI saves an access token in ~/.aws/sso/cache/<name>.json, where the name is the SHA-1
// in hexadecimal of the session's name, or of the start URL in profiles without a session. The
// portal of IAM Identity Center returns credentials for it.
//
// # The token
//
// The token is valid for an hour or so. It is refreshed from 5 minutes before
// it expires, as long as the session lasts, if the file has the required
// members; files of profiles without a session usually do not. The call that
// needs it refreshes it. While the token is valid it is used even if its
// refresh fails, and no other call waits for more than 5 s.
//
// Attempts follow the rules of a [stschain.Cache]: after one that failed while the token is valid,
// the next follows after 5 to 10 minutes, or sooner if less than twice that remains. After the
// token expired or the portal rejected it, the error of a failed attempt is returned for 1 to 5 s
// before the next attempt. A changed file is used immediately. When the session has ended, the
// user must run `aws sso login` again: the error is [stschain.ErrPermanent] and says so.
//
// A refreshed token is written to the file, for the AWS CLI and the SDKs: atomically, readable by
// the user only, and with all other members of the file. Of the processes that use this package one
// refreshes the token, and the others read what it wrote; they lock a file of the same name with
// .lock appended. The AWS CLI uses no lock: if it was faster, the token that it wrote is used.
// If the file cannot be written, such as in a container that has it mounted read-only, each
// Provider keeps the token in memory.
//
// # Signing in
//
// A [Login] signs a user in: by device code, which the user confirms in any browser, or in a browser on this machine. The
// program shows the page, and waits:
//
//	login := &sso.Login{Session: "work", StartURL: "https://example.awsapps.com/start", Region: "eu-west-1"}
//	pending, err := login.Begin(ctx)
//	if err != nil {
//		return err
//	}
//	fmt.Println("open", pending.URL, "and compare the code", pending.UserCode)
//	expires, err := pending.Wait(ctx)
//
// # Clocks
//
// The file has the time of this machine. If its clock has been set back since, an expired token
// looks valid and the portal rejects it: the token is then refreshed, and the portal is called
// once more. Credentials have the time of the portal: if the clocks differ by more than a minute,
// their expiry is translated to this process's clock.
//
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html
package sso

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/tokenfile"
	"github.com/stschain-go/stschain/internal/wire"
)

// Provider returns the credentials of one role. It reads the file and calls the portal each time,
// so use it through a [stschain.Cache]. Do not change its fields after first use, and do not copy it.
type Provider struct {
	Session   string // name of the sso-session; "": the profile has none, and the file is found by StartURL
	StartURL  string // sso_start_url, which the token must be for; required without Session
	Region    string // required: sso_region, where IAM Identity Center is
	AccountID string // required: sso_account_id
	RoleName  string // required: sso_role_name

	Profile string // the profile for `aws sso login` if there is no Session, named in errors; "": not named

	// The endpoints for the credentials and for token refreshes. With custom endpoints, FIPS and DualStack are an error.
	PortalEndpoint, OIDCEndpoint string // "": those of Region
	FIPS, DualStack              bool
	AllowHTTP                    bool // true: plain http to hosts other than loopback

	MaxAttempts                int  // of a request, if there is no response, or 429 or 5xx; 0: 3
	DisableClockSkewCorrection bool // true: Expires is as the portal sends it

	CacheDir   string                             // the directory of the file; "": .aws/sso/cache in the home directory
	Open       func(path string) (fs.File, error) // if set, opens files, and none is written; nil: os.Open, for regular files
	HTTPClient *http.Client                       // follows no redirect and uses no cookies; nil: a client with timeouts
	Clock      stschain.Clock                     // nil: the system clock

	tokens wire.TokenCache[*token]
}

// Limits on waiting. Together they are within the default Timeout of a stschain.Cache, 30 s.
const (
	portalPatience  = 15 * time.Second // for the credentials
	refreshPatience = 12 * time.Second // for a refresh, the wait for other processes included
)

// Retrieve returns the role's credentials. The error is [stschain.ErrPermanent] if the user does not
// have the role, or must run `aws sso login`.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	creds, err := p.retrieve(ctx)
	if err != nil {
		return stschain.Credentials{}, fmt.Errorf("%s: %w", p, err)
	}
	return creds, nil
}

func (p *Provider) retrieve(ctx context.Context) (stschain.Credentials, error) {
	at, err := p.places()
	if err != nil {
		return stschain.Credentials{}, err
	}
	file := p.file(at)
	t, err := file.Token(ctx, &p.tokens)
	if err != nil {
		return stschain.Credentials{}, err
	}
	creds, err := p.credentials(ctx, at, t)
	if !unauthorized(err) {
		return creds, err
	}
	p.tokens.Reject(t.Entry().ID, p.now(), err)
	t, refreshErr := file.Token(ctx, &p.tokens)
	switch {
	case ctx.Err() != nil:
		return stschain.Credentials{}, refreshErr
	case refreshErr != nil:
		return stschain.Credentials{}, err
	}
	return p.credentials(ctx, at, t)
}

// Identity returns what decides the credentials: the portal, StartURL, account, role and the access token, which alone
// identifies the signed-in user. It changes with that token, about every hour. The token is refreshed if it is due.
func (p *Provider) Identity(ctx context.Context) (stschain.Identity, error) {
	at, err := p.places()
	var t *token
	if err == nil {
		t, err = p.file(at).Token(ctx, &p.tokens)
	}
	if err != nil {
		return stschain.Identity{}, fmt.Errorf("%s: %w", p, err)
	}
	startURL, _ := t.content.Text("startUrl") // it was read before
	return stschain.NewIdentity("sso",
		"portal="+wire.Server(at.portal),
		"query="+stschain.NewSecret(at.portal.RawQuery).Fingerprint(),
		"region="+p.Region,
		"start-url="+bare(cmp.Or(p.StartURL, startURL.Reveal())),
		"account="+p.AccountID,
		"role="+p.RoleName,
		"user="+t.access.Fingerprint()), nil
}

// String returns "sso", and the account and the role.
func (p *Provider) String() string {
	if p.AccountID == "" || p.RoleName == "" {
		return "sso"
	}
	return "sso " + redact.OneLine(p.AccountID+"/"+p.RoleName, 128)
}

// places are the file of the token and the URLs of the services.
type places struct {
	file         string // the token
	portal, oidc *url.URL
}

func (p *Provider) places() (places, error) {
	for _, field := range []struct{ name, value string }{
		{"Region", p.Region}, {"AccountID", p.AccountID}, {"RoleName", p.RoleName}, {"StartURL", p.Session + p.StartURL},
	} {
		if strings.TrimSpace(field.value) == "" {
			return places{}, stschain.Permanent(fmt.Errorf("%s is missing", field.name))
		}
	}
	return endpoints{p.Region, p.PortalEndpoint, p.OIDCEndpoint, p.AllowHTTP, p.FIPS, p.DualStack}.places(p.CacheDir, cmp.Or(p.Session, p.StartURL))
}

// endpoints are the settings of the services.
type endpoints struct {
	region, portal, oidc       string
	allowHTTP, fips, dualStack bool
}

// places returns the URLs of the services, and the file of the token with that name.
func (e endpoints) places(dir, name string) (places, error) {
	if !wire.IsLabel(e.region) {
		return places{}, stschain.Permanent(errors.New("Region is not a valid region: letters, digits and hyphens are allowed, such as eu-west-1; a profile sets it as sso_region"))
	}
	file, err := cachePath(dir, name)
	if err != nil {
		return places{}, err
	}
	host := func(service string) string { return wire.ServiceHost(service, e.region, e.fips, e.dualStack) }
	portal, err := wire.Endpoint("PortalEndpoint (AWS_ENDPOINT_URL_SSO)", e.portal, e.allowHTTP, e.fips || e.dualStack, host("portal.sso"))
	oidc, oidcErr := wire.Endpoint("OIDCEndpoint (AWS_ENDPOINT_URL_SSO_OIDC)", e.oidc, e.allowHTTP, e.fips || e.dualStack, host("oidc"))
	if err = cmp.Or(err, oidcErr); err != nil {
		return places{}, stschain.Permanent(err)
	}
	return places{file, portal, oidc}, nil
}

// advice returns how to sign in.
func (p *Provider) advice() string {
	if p.Session != "" {
		return tokenfile.Run("aws sso login", "--sso-session", p.Session)
	}
	return tokenfile.Run("aws sso login", "--profile", p.Profile)
}

func (p *Provider) now() time.Time { return system.WallNow(p.Clock) }
