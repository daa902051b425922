// Package login gets credentials from where `aws login` leaves them: the session of a
// person who signed in to the AWS console, in a file of the AWS CLI.
//
// A profile names the session:
//
//	[profile dev]
//	login_session = arn:aws:iam::123456789012:user/ada
//	region        = eu-west-1
//
// and ~/.aws/login/cache/<SHA-256 of that, in hexadecimal>.json holds it: credentials that
// live for 15 minutes, a token to refresh them with, and a key that the token is bound to.
//
// # Refreshing
//
// From 5 minutes before they expire the credentials are refreshed at the AWS sign-in service,
// with a proof for each request of having the key (DPoP, RFC 9449). That goes on as long as
// the session lasts, 12 hours at most. Then somebody has to run `aws login` again: the error
// is [stschain.ErrPermanent] and says so.
//
// What a refresh brings is written to the file, for the AWS CLI and the SDKs: in one step,
// so that nobody sees half of it, readable by the user only, and with all that was in it
// besides. Of the processes that use this package one refreshes, and the others find what
// it wrote; they agree by a lock on a file of the same name with .lock at its end. The AWS
// CLI takes no lock: if it was faster, what it wrote is used. Where the file cannot be
// written, such as in a container that has it mounted read-only, each Provider keeps the
// refreshed session in memory.
//
// # Clocks
//
// A proof is dated, and one of another time is refused as if the session had ended. The
// service's answers tell what time it has: a refused proof is made again with that, and so
// are later ones. Expiry is on this machine's clock, in the file as in what comes out.
//
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-login-credentials.html
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
	"github.com/stschain-go/stschain/internal/keyjson"
	"github.com/stschain-go/stschain/internal/tokenfile"
)

// Provider gives the credentials of one session. Its file is read each time: a
// [stschain.Cache] spares that. Providers are not copied after first use.
type Provider struct {
	Session string // required: the login_session of the profile
	Profile string // what to run `aws login` with, for errors; "": they do not name it

	// Where the session is refreshed. What the environment and the profile say of it
	// (AWS_ENDPOINT_URL_SIGNIN, use_fips_endpoint, ...) is the business of source/profile. With
	// an endpoint of one's own, FIPS and DualStack are an error.
	Region          string // of the profile; required without Endpoint
	Endpoint        string // of the sign-in service; "": that of Region
	FIPS, DualStack bool
	AllowHTTP       bool // plain http to an endpoint beyond loopback

	MaxAttempts                int  // tries of a request while there is no answer, or 429 or 5xx; 0: 3
	DisableClockSkewCorrection bool // true: proofs are dated by this machine's clock, whatever the service's says

	CacheDir   string                                    // holds the file; "": AWS_LOGIN_CACHE_DIRECTORY, or else .aws/login/cache in the home directory
	Home       string                                    // "": HOME, or else USERPROFILE, or else what the system says
	LookupEnv  func(name string) (value string, ok bool) // nil: os.LookupEnv
	Open       func(path string) (fs.File, error)        // if set, files are read by it and none is written; nil: os.Open, for regular files
	HTTPClient *http.Client                              // follows no redirect and uses no cookies; nil: one with bounded times
	Clock      stschain.Clock                            // nil: the real one

	store    tokenfile.Store
	mu       sync.Mutex
	ahead    time.Duration // by which the server's clock is ahead of this process's, as far as one knows
	rejected string        // the access key ID of credentials that are no good
}

// window is how long before they expire credentials are refreshed, as in the AWS SDKs.
const window = 5 * time.Minute

// Retrieve returns the credentials of the session, refreshed if they expire within 5
// minutes; that takes 20 s at most. While they have not expired, a refresh that fails is no
// error, unless the sign-in service says that the session has ended.
//
// It is [stschain.ErrPermanent] if somebody has to run `aws login`.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	if p == nil || strings.TrimSpace(p.Session) == "" {
		return stschain.Credentials{}, stschain.Permanent(errors.New("login: Session is empty"))
	}
	creds, err := p.retrieve(ctx)
	if err != nil {
		return stschain.Credentials{}, fmt.Errorf("%s: %w", p, err)
	}
	return creds, nil
}

// Invalidate has these credentials refreshed by the next call, if the file holds them still:
// a service rejected them.
func (p *Provider) Invalidate(rejected stschain.Credentials) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rejected = rejected.AccessKeyID
}

// String names the session.
func (p *Provider) String() string {
	if p == nil || !strings.HasPrefix(strings.TrimSpace(p.Session), "arn:") {
		return "login" // who knows what that is
	}
	return "login " + keyjson.OneLine(p.Session, 256)
}

func (p *Provider) retrieve(ctx context.Context) (stschain.Credentials, error) {
	path, err := p.path()
	if err != nil {
		return stschain.Credentials{}, err
	}
	held, err := p.load(ctx, path)
	if err != nil || p.fresh(held) {
		return held.creds, err
	}
	refreshed, err := p.refresh(ctx, path)
	ended, refused := errors.AsType[*refusal](err)
	switch {
	case err == nil:
		return refreshed.creds, nil
	case ctx.Err() == nil && p.goodFor(0, held) && !(refused && ended.final()):
		return held.creds, nil
	}
	return stschain.Credentials{}, fmt.Errorf("its credentials, good until %s, cannot be refreshed: %w", held.creds.Expires.UTC().Format(time.RFC3339), err)
}

func (p *Provider) fresh(s session) bool { return p.goodFor(window, s) }

// goodFor reports whether credentials live longer than that.
func (p *Provider) goodFor(least time.Duration, s session) bool {
	then := p.now().Add(least)
	p.mu.Lock()
	defer p.mu.Unlock()
	return !s.creds.ExpiredAt(then) && s.creds.AccessKeyID != p.rejected
}

func (p *Provider) now() time.Time {
	if p.Clock == nil {
		return time.Now().Round(0) // a laptop that slept must notice
	}
	return p.Clock.Now().Round(0)
}

// advice is what a person can do.
func (p *Provider) advice() string { return tokenfile.Run("aws login", "--profile", p.Profile) }
