// Package sso gets the credentials of a role that somebody has in AWS IAM Identity Center
// (once AWS SSO), after they signed in with `aws sso login`.
//
// A profile names the role, and the session in which one signs in:
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
// The AWS CLI leaves a token in ~/.aws/sso/cache/<name>.json, where the name is the SHA-1
// of the session's, in hexadecimal, or of the start URL in profiles without a session. For
// it, the portal of IAM Identity Center gives credentials.
//
// # The token
//
// It lives for an hour or so, and is refreshed from 5 minutes before it expires as long as
// the session lasts, if the file has what that takes; files of profiles without a session
// mostly have not. A Provider tries that every 30 s at most, unless the token has expired and
// the service was not reached; and a token that has not expired is used though its refresh failed. When the session has ended, somebody has
// to run `aws sso login` again: the error is [stschain.ErrPermanent] and says so.
//
// A refreshed token is written to the file, for the AWS CLI and the SDKs: in one step, so
// that nobody sees half of it, readable by the user only, and with all that was in it
// besides. Of the processes that use this package one refreshes, and the others find what
// it wrote; they agree by a lock on a file of the same name with .lock at its end. The AWS
// CLI takes no lock: if it was faster, what it wrote is used. Where the file cannot be
// written, such as in a container that has it mounted read-only, each Provider keeps the
// token in memory.
//
// # Clocks
//
// The file has the time of this machine. If its clock was set back since, a token that
// expired looks good and the portal refuses it: it is then refreshed, and the portal is asked
// once more. Credentials have the time of the portal: where the clocks are more than a minute
// apart, their expiry is translated to this process's clock.
//
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html
package sso

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/host"
	"github.com/stschain-go/stschain/internal/keyjson"
	"github.com/stschain-go/stschain/internal/tokenfile"
)

// Provider gives the credentials of one role. It reads the file and asks the portal each
// time: a [stschain.Cache] spares that. Its fields are not changed after first use, and it
// is not copied.
type Provider struct {
	Session   string // name of the sso-session; "": the profile has none, and the file is found by StartURL
	StartURL  string // sso_start_url, whose token it must be; required without Session
	Region    string // required: sso_region, where IAM Identity Center is
	AccountID string // required: sso_account_id
	RoleName  string // required: sso_role_name

	Profile string // what to run `aws sso login` with if there is no Session, for errors; "": they do not name it

	// Where the token is refreshed and the credentials are. With an endpoint of one's own,
	// FIPS and DualStack are an error.
	PortalEndpoint, OIDCEndpoint string // "": those of Region
	FIPS, DualStack              bool
	AllowHTTP                    bool // plain http to an endpoint beyond loopback

	MaxAttempts                int  // tries of a request while there is no answer, or 429 or 5xx; 0: 3
	DisableClockSkewCorrection bool // true: Expires is as the portal says

	CacheDir   string                             // holds the file; "": .aws/sso/cache in the home directory
	Open       func(path string) (fs.File, error) // if set, files are read by it and none is written; nil: os.Open, for regular files
	HTTPClient *http.Client                       // follows no redirect and uses no cookies; nil: one with bounded times
	Clock      stschain.Clock                     // nil: the real one

	store   tokenfile.Store
	mu      sync.Mutex
	tried   time.Time // when a refresh last ended
	failure error     // of that try
}

// Bounds on waiting. Together they fit into the 30 s that a stschain.Cache has.
const (
	portalPatience  = 15 * time.Second // for the credentials
	refreshPatience = 12 * time.Second // for a refresh, the wait for other processes included
)

// Retrieve returns the role's credentials. It is [stschain.ErrPermanent] if the role is not
// to be had, or somebody has to run `aws sso login`.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	if p == nil {
		return stschain.Credentials{}, stschain.Permanent(errors.New("sso: the Provider is nil"))
	}
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
	held, err := p.token(ctx, at)
	if err != nil {
		return stschain.Credentials{}, err
	}
	creds, err := p.credentials(ctx, at, held)
	if unauthorized(err) {
		renewed, refreshErr := p.refresh(ctx, at, held)
		switch {
		case ctx.Err() != nil:
			return stschain.Credentials{}, refreshErr
		case refreshErr == nil && renewed.access != held.access:
			return p.credentials(ctx, at, renewed)
		}
	}
	return creds, err
}

// String returns "sso", and the account and the role.
func (p *Provider) String() string {
	if p == nil || p.AccountID == "" || p.RoleName == "" {
		return "sso"
	}
	return "sso " + keyjson.OneLine(p.AccountID+"/"+p.RoleName, 128)
}

// places are where things are.
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
	if !host.IsLabel(p.Region) {
		return places{}, stschain.Permanent(errors.New("Region is no region: letters, digits and hyphens are allowed, such as eu-west-1; a profile has it as sso_region"))
	}
	file, err := p.path()
	if err != nil {
		return places{}, err
	}
	portal, err := p.endpoint("PortalEndpoint (AWS_ENDPOINT_URL_SSO)", p.PortalEndpoint, "portal.sso")
	if err != nil {
		return places{}, err
	}
	oidc, err := p.endpoint("OIDCEndpoint (AWS_ENDPOINT_URL_SSO_OIDC)", p.OIDCEndpoint, "oidc")
	return places{file, portal, oidc}, err
}

func (p *Provider) endpoint(field, configured, service string) (*url.URL, error) {
	switch {
	case configured == "":
		return &url.URL{Scheme: "https", Host: host.Of(service, p.Region, p.FIPS, p.DualStack), Path: "/"}, nil
	case p.FIPS || p.DualStack:
		return nil, stschain.Permanent(fmt.Errorf("%s is set beside FIPS or DualStack: give the endpoint that is FIPS or dual-stack itself", field))
	}
	u, err := host.ParseURL(configured, p.AllowHTTP)
	if err != nil {
		return nil, stschain.Permanent(fmt.Errorf("%s %v", field, err))
	}
	return u, nil
}

// advice is what a person can do.
func (p *Provider) advice() string {
	if p.Session != "" {
		return tokenfile.Run("aws sso login", "--sso-session", p.Session)
	}
	return tokenfile.Run("aws sso login", "--profile", p.Profile)
}

func (p *Provider) now() time.Time {
	if p.Clock == nil {
		return time.Now().Round(0) // a laptop that slept must notice
	}
	return p.Clock.Now().Round(0)
}
