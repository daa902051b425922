package sso

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/tokenfile"
	"github.com/stschain-go/stschain/internal/wire"
)

// Login signs a user in to IAM Identity Center, and out. It reads and writes the files of `aws sso login`: the AWS CLI
// and the SDKs use its token, and it uses their client registration.
//
// A Login is safe for concurrent use, also by several processes: each sign-in has its own code, and the last one that
// completes writes the token. Do not change its fields after first use.
//
// Source: https://docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference
type Login struct {
	Session  string   // name of the sso-session; "": there is none, and the file of the token is named after StartURL
	StartURL string   // required: sso_start_url
	Region   string   // required: sso_region, where IAM Identity Center is
	Scopes   []string // sso_registration_scopes; nil: the default of the service, and sso:account:access with Browser

	// Browser signs in by authorization code with PKCE. The browser must run on this machine, where it is
	// redirected to a port of 127.0.0.1. false: by device code, which the user confirms in any browser.
	// The AWS CLI uses Browser with a Session, and device codes without.
	Browser bool

	// The endpoints for signing out and in. With custom endpoints, FIPS and DualStack are an error.
	PortalEndpoint, OIDCEndpoint string // "": those of Region
	FIPS, DualStack              bool
	AllowHTTP                    bool // true: plain http to hosts other than loopback

	MaxAttempts int // of a request, if there is no response, or 429 or 5xx; 0: 3

	CacheDir   string         // the directory of the files, which is created; "": .aws/sso/cache in the home directory
	HTTPClient *http.Client   // follows no redirect and uses no cookies; nil: a client with timeouts
	Clock      stschain.Clock // nil: the system clock

	listen func() (net.Listener, error) // of Browser; nil: any port of 127.0.0.1
}

// Pending is a sign-in that the user has to complete in a browser.
type Pending struct {
	URL      string    // the page to open: https, or http on loopback
	UserCode string    // the page shows this code, and the user compares it; "" with Browser
	Expires  time.Time // the sign-in must be complete by then, by this machine's clock

	login  *Login
	at     places
	client client
	expiry time.Time       // like Expires, on the monotonic clock
	code   stschain.Secret // of the device
	every  time.Duration   // between two requests for the token
	back   *callback       // with Browser
}

const (
	beginPatience = 30 * time.Second // for Begin, the wait for other processes included
	codeLife      = 10 * time.Minute // of a code without expiresIn, and with Browser
	saveReserve   = 15 * time.Second // to write the token
)

// Begin registers a client, if the cached registration has expired, and returns the page that the user must open.
// Complete the sign-in with [Pending.Wait], or abandon it with [Pending.Close]. The error is [stschain.ErrPermanent] if a
// setting is invalid, the directory is not writable, or the service refuses.
func (l *Login) Begin(ctx context.Context) (*Pending, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, beginPatience, fmt.Errorf("timed out after %v", beginPatience))
	defer cancel()
	p, err := l.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("sso: cannot begin to sign in: %w", err)
	}
	return p, nil
}

func (l *Login) begin(ctx context.Context) (*Pending, error) {
	at, err := l.places()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(at.file), 0o700); err != nil {
		return nil, stschain.Permanent(fmt.Errorf("cannot create the directory of the token: %w", err))
	}
	p := &Pending{login: l, at: at}
	if l.Browser {
		return p, p.beginBrowser(ctx)
	}
	return p, p.beginDevice(ctx)
}

// Wait waits until the user has signed in, writes the token, and returns when it expires. The user has until Expires.
// The error is [stschain.ErrPermanent] if the user denied the request, did not complete it in time, or if the token
// cannot be written. If ctx ends, Wait may be called again with device codes.
func (p *Pending) Wait(ctx context.Context) (expires time.Time, err error) {
	defer p.Close()
	bounded, cancel := context.WithDeadlineCause(ctx, p.expiry, errNotCompleted)
	defer cancel()
	wait := p.waitDevice
	if p.back != nil {
		wait = p.waitBrowser
	}
	response, err := wait(bounded)
	if err == nil {
		ctx, cancel := context.WithTimeoutCause(ctx, saveReserve, fmt.Errorf("timed out after %v", saveReserve))
		defer cancel()
		expires, err = p.save(ctx, response)
	}
	switch {
	case err == nil:
		return expires, nil
	case ctx.Err() == nil && errors.Is(err, errNotCompleted):
		err = stschain.Permanent(err)
	}
	return time.Time{}, fmt.Errorf("sso: not signed in: %w", err)
}

var errNotCompleted = errors.New("the sign-in was not completed in the browser before it expired: sign in again")

// Close ends the sign-in. It is not required after Wait.
func (p *Pending) Close() {
	if p.back != nil {
		p.back.listener.Close()
	}
}

// String returns the URL without its query.
func (p *Pending) String() string {
	page, _, _ := strings.Cut(p.URL, "?")
	return "sso sign-in at " + page
}

func (l *Login) places() (places, error) {
	for _, field := range []struct{ name, value string }{{"Region", l.Region}, {"StartURL", l.StartURL}} {
		if strings.TrimSpace(field.value) == "" {
			return places{}, stschain.Permanent(fmt.Errorf("%s is missing", field.name))
		}
	}
	return endpoints{l.Region, l.PortalEndpoint, l.OIDCEndpoint, l.AllowHTTP, l.FIPS, l.DualStack}.places(l.CacheDir, cmp.Or(l.Session, l.StartURL))
}

func (l *Login) now() time.Time { return system.WallNow(l.Clock) }

// call calls an operation of the OIDC service. result is a pointer to its output.
func (l *Login) call(ctx context.Context, at places, path string, attempts int, body map[string]any, result any, secrets ...stschain.Secret) (wire.Response, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return wire.Response{}, err
	}
	service := wire.Service{URL: at.oidc.JoinPath(path), HTTPClient: l.HTTPClient, MaxAttempts: attempts, Now: l.now}
	response, err := call(ctx, service, wire.Request{
		Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}},
		Body: stschain.NewSecret(string(text)), Secrets: secrets,
	})
	if err == nil && json.Unmarshal(response.Body, result) != nil {
		err = invalid(at, "not the expected JSON object")
	}
	return response, err
}

// invalid is the error of a response that cannot be used. It does not show the response.
func invalid(at places, why string) error {
	return stschain.Permanent(fmt.Errorf("invalid response of %s: %s", at.oidc.Host, why))
}

// token calls CreateToken with a grant.
func (p *Pending) token(ctx context.Context, attempts int, grant map[string]any, secrets ...stschain.Secret) (wire.Response, error) {
	grant["clientId"], grant["clientSecret"] = p.client.id.Reveal(), p.client.secret.Reveal()
	return p.login.call(ctx, p.at, "token", attempts, grant, &struct{}{}, append(secrets, p.client.secret)...)
}

// save writes the token of a response to the file.
func (p *Pending) save(ctx context.Context, response wire.Response) (time.Time, error) {
	text := stschain.NewSecret
	doc := tokenfile.Document{}.WithText("startUrl", text(p.login.StartURL)).WithText("region", text(p.login.Region)).
		WithText("clientId", p.client.id).WithText("clientSecret", p.client.secret).WithTime("registrationExpiresAt", p.client.expires)
	t, err := (&token{content: tokenfile.Content{}.With(doc)}).with(response)
	if err != nil {
		return time.Time{}, invalid(p.at, err.Error())
	}
	lock, err := tokenfile.Lock(ctx, p.at.file)
	if err == nil {
		defer lock.Release()
		err = lock.Write(t.content.Document)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot write the token to %s: %w", p.at.file, err)
	}
	return t.expires, nil
}

// kind returns the kind of a refusal as OAuth 2.0 names it. The AWS SDKs know refusals by the exception, which has that name too.
func kind(response wire.Response) string {
	var doc struct {
		Error string `json:"error"`
		Type  string `json:"__type"`
	}
	_ = json.Unmarshal(response.Body, &doc) // another body has neither
	exception, _, _ := strings.Cut(cmp.Or(response.Header.Get("X-Amzn-Errortype"), doc.Type), ":")
	switch exception[strings.LastIndex(exception, "#")+1:] {
	case "AuthorizationPendingException":
		return pending
	case "SlowDownException":
		return slowDown
	case "ExpiredTokenException":
		return expiredToken
	case "AccessDeniedException":
		return accessDenied
	case "InvalidClientException":
		return invalidClient
	}
	return doc.Error
}

// The refusals that have a meaning here (RFC 6749, 5.2, and RFC 8628, 3.5).
const (
	pending       = "authorization_pending"
	slowDown      = "slow_down"
	expiredToken  = "expired_token"
	accessDenied  = "access_denied"
	invalidClient = "invalid_client"
)
