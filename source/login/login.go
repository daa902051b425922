// Package login gets credentials from the session of `aws login`: a user signed in to the AWS console,
// and the AWS CLI saved the session in a file.
//
// A profile names the session:
//
//	[profile dev]
//	login_session = arn:aws:iam::123456789012:user/ada
//	region        = eu-west-1
//
// The file is ~/.aws/login/cache/<SHA-256 of that, in hexadecimal>.json. It
// contains credentials that are valid for 15 minutes, a token to refresh them
// with, and a key that the token is bound to.
//
// # Refreshing
//
// From 5 minutes before they expire the credentials are refreshed at the AWS sign-in service, with a
// proof of possession of the key for each request (DPoP, RFC 9449). The call that needs them refreshes them.
// While they are valid they are returned even if their refresh fails, and no other call waits for
// more than 5 s. Attempts follow the rules of a [stschain.Cache]: after one that failed while the
// credentials are valid, the next follows after 5 to 10 minutes, or sooner if less than twice that remains;
// after they expired, the error of a failed attempt is returned for 1 to 5 s before the next attempt. A
// changed file is used immediately.
//
// The session lasts 12 hours at most. Then the user must run `aws login` again: the error is
// [stschain.ErrPermanent] and says so, and credentials of a session that has ended are not returned.
//
// The refreshed session is written to the file, for the AWS CLI and the SDKs: atomically, and with all
// other members of the file. Of the processes that use this package one refreshes the session, and
// the others read what it wrote; they lock a file of the same name with
// .lock appended. The AWS CLI uses no lock: if it was faster, the session that it wrote is used.
// If the file cannot be written, such as in a container that has it mounted read-only, each
// Provider keeps the refreshed session in memory.
//
// # Permissions of the file
//
// The file has secrets, so only the user can read it after a refresh: its mode is 0600, even if it was wider
// before. If AWS_RESTRICT_FILE_PERMISSIONS in the environment is unrestricted, the file keeps its mode
// and group; if it cannot keep the group, its mode is 0600. The default is user_read_write; case does not
// matter, and any other value is an error.
//
// Version 1.32.19 of the AWS SDK for Go's config module introduced the variable, without a setting in
// profiles and for this file only ([aws/aws-sdk-go-v2#3425]). That SDK keeps the mode of an existing file for both
// values: the value decides between 0600 and 0666 less the umask for a file that it creates. This package creates none.
//
// # Clocks
//
// A proof contains the time, and the service rejects one with a wrong time as
// if the session had ended. Its responses have its own time: a rejected proof
// is generated again for that time, and later ones use it too. Expires is on
// this machine's clock, in the file and in the credentials returned.
//
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-login-credentials.html
//
// [aws/aws-sdk-go-v2#3425]: https://github.com/aws/aws-sdk-go-v2/pull/3425
package login

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/tokenfile"
	"github.com/stschain-go/stschain/internal/wire"
)

// Provider returns the credentials of one session. It reads the file each time, so use it through a
// [stschain.Cache]. Do not copy a Provider after first use.
type Provider struct {
	Session string // required: the login_session of the profile
	Profile string // the profile for `aws login`, named in errors; "": not named

	// Where the session is refreshed. The settings of environment and profile
	// for it (AWS_ENDPOINT_URL_SIGNIN, use_fips_endpoint, ...) are handled by
	// source/profile. With a custom endpoint, FIPS and DualStack are an error.
	Region          string // of the profile; required without Endpoint
	Endpoint        string // of the sign-in service; "": that of Region
	FIPS, DualStack bool
	AllowHTTP       bool // true: plain http to hosts other than loopback

	MaxAttempts                int  // of a request, if there is no response, or 429 or 5xx; 0: 3
	DisableClockSkewCorrection bool // true: proofs are dated by this machine's clock, whatever the service's says

	CacheDir   string                                    // the directory of the file; "": AWS_LOGIN_CACHE_DIRECTORY, or else .aws/login/cache in the home directory
	Home       string                                    // "": HOME, or else USERPROFILE, or else that of the system
	LookupEnv  func(name string) (value string, ok bool) // nil: os.LookupEnv
	Open       func(path string) (fs.File, error)        // if set, opens files, and none is written; nil: os.Open, for regular files
	HTTPClient *http.Client                              // follows no redirect and uses no cookies; nil: a client with timeouts
	Clock      stschain.Clock                            // nil: the system clock

	sessions wire.TokenCache[*session]

	mu    sync.Mutex
	ahead time.Duration // by which the server's clock is ahead of this process's, as far as known
}

// window is how long before they expire credentials are refreshed, as in the AWS SDKs.
const window = 5 * time.Minute

// Retrieve returns the credentials of the session, refreshed if they expire within 5 minutes; that
// takes 20 s at most. While they are valid, a refresh that fails is not an error, unless the sign-in
// service says that the session has ended.
//
// The error is [stschain.ErrPermanent] if the user must run `aws login`.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	if strings.TrimSpace(p.Session) == "" {
		return stschain.Credentials{}, stschain.Permanent(errors.New("login: Session is empty"))
	}
	creds, err := p.retrieve(ctx)
	if err != nil {
		return stschain.Credentials{}, fmt.Errorf("%s: %w", p, err)
	}
	return creds, nil
}

// Invalidate reports that a service rejected these credentials. If they are
// those that Retrieve returned last, the next call refreshes them and does not
// return them again.
func (p *Provider) Invalidate(rejected stschain.Credentials) {
	if p != nil {
		p.sessions.Reject(rejected.AccessKeyID, p.now(), errors.New("a service rejected the credentials right after they were refreshed"))
	}
}

// Identity returns what decides the credentials: Session, which names the user, and the sign-in service. It reads the
// file, and refreshes the session if it is due: a process that has not signed in has no identity.
func (p *Provider) Identity(ctx context.Context) (stschain.Identity, error) {
	if !strings.HasPrefix(strings.TrimSpace(p.Session), "arn:") {
		return stschain.Identity{}, stschain.Permanent(errors.New("login: no identity: Session is not the ARN of a user"))
	}
	u, err := p.tokenURL()
	if err == nil {
		_, err = p.retrieve(ctx)
	}
	if err != nil {
		return stschain.Identity{}, fmt.Errorf("%s: %w", p, err)
	}
	return stschain.NewIdentity("login", "server="+wire.Server(u), "session="+strings.TrimSpace(p.Session)), nil
}

// String names the session.
func (p *Provider) String() string {
	if !strings.HasPrefix(strings.TrimSpace(p.Session), "arn:") {
		return "login" // it may be a misplaced secret
	}
	return "login " + redact.OneLine(p.Session, 256)
}

func (p *Provider) retrieve(ctx context.Context) (stschain.Credentials, error) {
	path, err := p.path()
	if err != nil {
		return stschain.Credentials{}, err
	}
	keepMode, err := p.keepMode()
	if err != nil {
		return stschain.Credentials{}, err
	}
	file := &tokenfile.File[*session]{
		Path: path, Open: p.Open, KeepMode: keepMode, Advice: p.advice(), Advisory: window, Patience: patience, Now: p.now, Parse: p.read, Prepare: p.prepare,
	}
	s, err := file.Token(ctx, &p.sessions)
	if err != nil {
		return stschain.Credentials{}, err
	}
	return s.creds, nil
}

func (p *Provider) now() time.Time { return system.WallNow(p.Clock) }

// advice returns how to sign in.
func (p *Provider) advice() string { return tokenfile.Run("aws login", "--profile", p.Profile) }
