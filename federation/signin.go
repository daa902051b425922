package federation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// SignIn makes URLs that sign a browser in to the console of AWS with temporary
// credentials. They need no permission of their own; what the console may then do
// is what the credentials may.
//
// The credentials of a role will do, however it was assumed, and those of a
// federated user, such as [Provider]. AWS takes no others: neither long-lived keys
// nor a session of GetSessionToken.
//
// A SignIn is safe for concurrent use. Its fields are not changed after first use,
// and it is not copied.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
type SignIn struct {
	Credentials stschain.Provider // required: temporary ones; asked through stschain.Cached

	// Region names the partition, and the console that is shown: "eu-west-1". Empty:
	// the home page of the partition aws. Regional is for signing in at that region's
	// own host, which depends on no other region, instead of the partition's; the
	// partition aws-eusc has only such hosts.
	Region   string
	Regional bool

	// Endpoint is where sign-in tokens come from, instead of the host by Region:
	// "https://signin.aws.amazon.com/federation". Plain http is for loopback only.
	Endpoint string

	// Destination is the page to show: a whole https URL, or a path on the console of
	// Region, such as "/s3/buckets". Empty: its home. Only a whole URL will do in the
	// partitions aws-iso, aws-iso-b, aws-iso-e and aws-iso-f, whose consoles are not
	// known here. A Destination that users supply should be checked to be of AWS.
	Destination string

	Issuer string // URL of the page where people sign in to the broker, which the console sends them to when their session ends. Empty: none

	// Duration of the console's session, 15 minutes to 12 hours in whole seconds. AWS
	// takes it only for a role that was assumed with long-lived keys, SAML or a web
	// identity: not for a role that was assumed by a role, nor for a federated user,
	// whose session has a duration already. 0: as long as the credentials live.
	Duration time.Duration

	HTTPClient     *http.Client   // nil: one with bounded times. Redirects are not followed, whatever its CheckRedirect says
	AttemptTimeout time.Duration  // bound on the request, from dialing to the last byte; 0: 10 s
	Clock          stschain.Clock // nil: the real one

	once  sync.Once // for setUp
	http  *http.Client
	cache stschain.CachedProvider
}

// SignInURL is a URL to open in a browser. Whoever has it is signed in, once.
type SignInURL struct {
	URL     stschain.Secret
	Expires time.Time // 15 minutes after it was made, or when the credentials end
}

const (
	urlLife        = 15 * time.Minute // of a sign-in token
	defaultTimeout = 10 * time.Second
	maxAnswer      = 64 << 10
)

// SignInURL gets a sign-in token and makes a URL of it, with one request and no
// retry. The credentials travel in the body of a POST over TLS, never in a URL. An
// error shows neither them nor the token; it is [stschain.ErrPermanent] if the
// endpoint refused, or if a setting is missing or wrong.
func (s *SignIn) SignInURL(ctx context.Context) (SignInURL, error) {
	link, err := s.signInURL(ctx)
	if err != nil {
		return SignInURL{}, fmt.Errorf("federation: no sign-in URL: %w", err)
	}
	return link, nil
}

func (s *SignIn) signInURL(ctx context.Context) (SignInURL, error) {
	if err := s.check(); err != nil {
		return SignInURL{}, err
	}
	endpoint, err := s.endpoint()
	if err != nil {
		return SignInURL{}, err
	}
	destination, err := s.destination()
	if err != nil {
		return SignInURL{}, err
	}
	s.setUp()
	creds, err := s.cache.Retrieve(ctx)
	switch {
	case err != nil:
		return SignInURL{}, fmt.Errorf("no credentials to sign in with: %w", err)
	case creds.SessionToken.IsZero():
		return SignInURL{}, stschain.Permanent(fmt.Errorf("Credentials are long-lived (%s, from %s), and the console takes temporary ones only: "+
			"assume a role with them, or put a federation.Provider over them", creds.AccessKeyID, creds.Origin))
	}
	made := s.now()
	token, err := s.signInToken(ctx, endpoint, creds)
	if err != nil {
		return SignInURL{}, err
	}
	query := url.Values{
		"Action":      {"login"},
		"Destination": {destination},
		"SigninToken": {token.Reveal()},
	}
	if s.Issuer != "" {
		query.Set("Issuer", s.Issuer)
	}
	link := SignInURL{URL: stschain.NewSecret(endpoint.String() + "?" + query.Encode()), Expires: made.Add(urlLife)}
	if !creds.Expires.IsZero() && creds.Expires.Before(link.Expires) {
		link.Expires = creds.Expires
	}
	return link, nil
}

// signInToken trades credentials for a token, by getSigninToken.
func (s *SignIn) signInToken(ctx context.Context, endpoint *url.URL, creds stschain.Credentials) (stschain.Secret, error) {
	bounded, cancel := context.WithTimeout(ctx, s.timeout())
	defer cancel()
	session, _ := json.Marshal(map[string]string{ // strings never fail
		"sessionId":    creds.AccessKeyID,
		"sessionKey":   creds.SecretAccessKey.Reveal(),
		"sessionToken": creds.SessionToken.Reveal(),
	})
	form := url.Values{"Action": {"getSigninToken"}, "Session": {string(session)}}
	if s.Duration > 0 {
		form.Set("SessionDuration", strconv.FormatInt(int64(s.Duration/time.Second), 10))
	}
	req, err := http.NewRequestWithContext(bounded, http.MethodPost, endpoint.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return stschain.Secret{}, stschain.Permanent(errors.New("Endpoint is no URL that a request can be made for"))
	}
	req.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {"stschain"}}

	resp, err := s.http.Do(req)
	if err != nil {
		return stschain.Secret{}, s.lost(ctx, bounded, endpoint, err, creds)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return stschain.Secret{}, s.lost(ctx, bounded, endpoint, err, creds)
	}
	return s.read(endpoint, resp.StatusCode, body)
}

// lost is an error of the way to the endpoint and back.
func (s *SignIn) lost(ctx, bounded context.Context, endpoint *url.URL, err error, creds stschain.Credentials) error {
	if ctx.Err() == nil && bounded.Err() != nil {
		return fmt.Errorf("%s did not answer within %v: %w", endpoint.Host, s.timeout(), bounded.Err())
	}
	return fmt.Errorf("%s did not answer: %w", endpoint.Host, wire.Cause(ctx, err, creds.SecretAccessKey, creds.SessionToken))
}

// read takes the token out of an answer. Nothing of the answer is shown: a token
// may be in it.
func (s *SignIn) read(endpoint *url.URL, status int, body []byte) (stschain.Secret, error) {
	said := fmt.Sprintf("%s answered %s", endpoint.Host, strings.TrimSpace(strconv.Itoa(status)+" "+http.StatusText(status)))
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		return stschain.Secret{}, errors.New(said)
	case status >= 300 && status < 400:
		return stschain.Secret{}, stschain.Permanent(fmt.Errorf("%s, and redirects are not followed: check Region and Endpoint", said))
	case status == http.StatusBadRequest && s.Duration > 0:
		return stschain.Secret{}, stschain.Permanent(fmt.Errorf("%s: a Duration is refused for a role that was assumed by a role, and for a federated user; "+
			"leave it out for those. If it is not that, %s", said, goodCredentials))
	case status == http.StatusBadRequest, status == http.StatusUnauthorized, status == http.StatusForbidden:
		return stschain.Secret{}, stschain.Permanent(fmt.Errorf("%s: %s", said, goodCredentials))
	case status != http.StatusOK:
		return stschain.Secret{}, stschain.Permanent(fmt.Errorf("%s: is it the sign-in endpoint?", said))
	case len(body) > maxAnswer:
		return stschain.Secret{}, fmt.Errorf("%s, with more than %d bytes", said, maxAnswer)
	}
	var answer struct{ SigninToken string }
	if err := json.Unmarshal(bytes.TrimSpace(body), &answer); err != nil || answer.SigninToken == "" {
		return stschain.Secret{}, fmt.Errorf("%s, with %d bytes that hold no sign-in token: is it the sign-in endpoint?", said, len(body))
	}
	return stschain.NewSecret(answer.SigninToken), nil
}

const goodCredentials = "the credentials must be good, of this partition, and of a role or a federated user"

// setUp makes what the SignIn owns, once.
func (s *SignIn) setUp() {
	s.once.Do(func() {
		s.http = wire.Client(s.HTTPClient, s.timeout())
		s.cache = wire.Cached(s.Credentials, s.Clock)
	})
}

// check finds what is missing or makes no sense.
func (s *SignIn) check() error {
	switch {
	case s == nil:
		return stschain.Permanent(errors.New("the SignIn is nil"))
	case s.Credentials == nil:
		return stschain.Permanent(errors.New("Credentials is missing"))
	case s.AttemptTimeout < 0:
		return stschain.Permanent(fmt.Errorf("Timeout is %v, and must not be negative", s.AttemptTimeout))
	case s.Region != "" && !isRegion(s.Region):
		return stschain.Permanent(fmt.Errorf("Region is %.64q, which is no region: small letters, digits and hyphens are allowed, such as eu-west-1", s.Region))
	case s.Duration%time.Second != 0:
		return stschain.Permanent(fmt.Errorf("Duration is %v, and only whole seconds are allowed", s.Duration))
	case s.Duration != 0 && (s.Duration < 15*time.Minute || s.Duration > 12*time.Hour):
		return stschain.Permanent(fmt.Errorf("Duration is %v, and 15m0s to 12h0m0s are allowed", s.Duration))
	}
	return nil
}

func (s *SignIn) timeout() time.Duration {
	if s.AttemptTimeout == 0 {
		return defaultTimeout
	}
	return s.AttemptTimeout
}

func (s *SignIn) now() time.Time {
	if s.Clock == nil {
		return time.Now()
	}
	return s.Clock.Now()
}

// isRegion: a host label of small letters, digits and inner hyphens.
func isRegion(s string) bool {
	return len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-' &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
