package federation

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

// SignIn makes URLs that sign a browser in to the AWS console with temporary
// credentials. This requires no additional permission; the console session has
// the permissions of the credentials.
//
// The credentials must be those of a role, however it was assumed, or of a federated user, such as
// [Provider]. AWS accepts no others: neither long-lived keys nor a session of GetSessionToken.
//
// A SignIn is safe for concurrent use. Do not change its fields after first use, and do not copy it.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_enable-console-custom-url.html
type SignIn struct {
	Credentials stschain.Provider // required: temporary ones; retrieved through stschain.Cached

	// Region selects the partition, and the console that is shown: "eu-west-1". Empty: the home page of the
	// partition aws. Regional signs in at that region's own host, which depends on no other region, instead of
	// the partition's; the partition aws-eusc has only such hosts.
	Region   string
	Regional bool

	// Endpoint is where sign-in tokens are requested, instead of the host by Region:
	// "https://signin.aws.amazon.com/federation". Plain http is for loopback only.
	Endpoint string

	// Destination is the page to show: a complete https URL, or a path on the console of Region, such as
	// "/s3/buckets". Empty: its home page. The partitions aws-iso, aws-iso-b, aws-iso-e and aws-iso-f require a
	// complete URL, since the hosts of their consoles are not public. Check that a Destination supplied by
	// users is a URL of AWS.
	Destination string

	Issuer string // URL of the broker's sign-in page, to which the console redirects users when their session ends. Empty: none

	// Duration of the console's session, 15 minutes to 12 hours in whole seconds. AWS accepts it only for a role
	// that was assumed with long-lived keys, SAML or a web identity: not for a role that was assumed by a role,
	// nor for a federated user, whose session has a duration already. 0: as long as the credentials are valid.
	Duration time.Duration

	HTTPClient     *http.Client   // nil: a client with timeouts. Redirects are not followed, whatever its CheckRedirect is
	AttemptTimeout time.Duration  // for the request, from dialing to the last byte; 0: 10 s
	Clock          stschain.Clock // nil: the system clock

	once  sync.Once // for setUp
	http  *http.Client
	cache stschain.CachedProvider
}

// SignInURL is a URL to open in a browser. It works once.
type SignInURL struct {
	URL     stschain.Secret
	Expires time.Time // 15 minutes after it was made, or when the credentials expire
}

const (
	urlLife        = 15 * time.Minute // of a sign-in token
	defaultTimeout = 10 * time.Second
)

// SignInURL requests a sign-in token and returns a URL with it. It makes one request, without a retry. The
// credentials are sent in the body of a POST over TLS, never in a URL. Errors contain neither them nor the
// token. They are [stschain.ErrPermanent] if the endpoint refused, or if a setting is missing or invalid,
// and [stschain.ErrThrottled] if it throttled.
func (s *SignIn) SignInURL(ctx context.Context) (_ SignInURL, err error) {
	defer flow.Wrap(&err, "federation", "no sign-in URL")
	endpoint, destination, err := s.settings()
	if err != nil {
		return SignInURL{}, stschain.Permanent(err)
	}
	s.once.Do(s.setUp)
	creds, err := s.cache.Retrieve(ctx)
	switch {
	case err != nil:
		return SignInURL{}, fmt.Errorf("no credentials to sign in with: %w", err)
	case creds.SessionToken.IsZero():
		return SignInURL{}, stschain.Permanent(fmt.Errorf("Credentials are long-lived (%s, from %s), and the console accepts temporary ones only: "+
			"assume a role with them, or put a federation.Provider over them", creds.AccessKeyID, creds.Origin))
	}
	made := system.Now(s.Clock)
	token, err := s.signInToken(ctx, endpoint, creds)
	if err != nil {
		return SignInURL{}, fmt.Errorf("%s: %w", endpoint.Host, err)
	}
	query := url.Values{
		"Action":      {"login"},
		"Destination": {destination},
		"SigninToken": {token},
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

// signInToken exchanges credentials for a token, with getSigninToken.
func (s *SignIn) signInToken(ctx context.Context, endpoint *url.URL, creds stschain.Credentials) (string, error) {
	session, _ := json.Marshal(map[string]string{ // strings never fail
		"sessionId":    creds.AccessKeyID,
		"sessionKey":   creds.SecretAccessKey.Reveal(),
		"sessionToken": creds.SessionToken.Reveal(),
	})
	form := url.Values{"Action": {"getSigninToken"}, "Session": {string(session)}}
	if s.Duration > 0 {
		form.Set("SessionDuration", strconv.FormatInt(int64(s.Duration/time.Second), 10))
	}
	resp, err := wire.Send(ctx, s.http, wire.Request{
		Method:  http.MethodPost,
		URL:     endpoint.String(),
		Header:  http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		Body:    stschain.NewSecret(form.Encode()),
		Timeout: s.timeout(),
		Secrets: []stschain.Secret{creds.SecretAccessKey, creds.SessionToken},
	})
	if err != nil {
		return "", err
	}
	if resp.Status != http.StatusOK {
		return "", s.refusal(resp.Status)
	}
	var body struct{ SigninToken string }
	if json.Unmarshal(resp.Body, &body) != nil || body.SigninToken == "" {
		return "", fmt.Errorf("unexpected response, %d bytes without a sign-in token: is it the sign-in endpoint?", len(resp.Body))
	}
	return body.SigninToken, nil
}

// refusal returns the error of a response with that status. It does not show the body, which may contain a token.
func (s *SignIn) refusal(status int) error {
	const credentials = "the credentials must be valid, of this partition, and of a role or a federated user"
	hint := ": is it the sign-in endpoint?"
	switch {
	case wire.Retryable(status):
		return wire.Throttled(status, fmt.Errorf("unexpected response: %d %s", status, http.StatusText(status)))
	case status >= 300 && status < 400:
		hint = ": redirects are not followed; check Region and Endpoint"
	case status == http.StatusBadRequest && s.Duration > 0:
		hint = ": Duration is not accepted for a role that was assumed by a role, nor for a federated user; set 0 for those. Otherwise, " + credentials
	case status == http.StatusBadRequest, status == http.StatusUnauthorized, status == http.StatusForbidden:
		hint = ": " + credentials
	}
	return stschain.Permanent(fmt.Errorf("unexpected response: %d %s%s", status, http.StatusText(status), hint))
}

// setUp initializes the SignIn.
func (s *SignIn) setUp() {
	s.http = wire.Client(s.HTTPClient, s.timeout())
	s.cache = wire.Cached(s.Credentials, s.Clock)
}

// settings returns what the fields configure, or an error that says which one is missing or invalid.
func (s *SignIn) settings() (endpoint *url.URL, destination string, err error) {
	switch {
	case s.Credentials == nil:
		return nil, "", errors.New("Credentials is missing")
	case s.AttemptTimeout < 0:
		return nil, "", fmt.Errorf("AttemptTimeout is %v, and must not be negative", s.AttemptTimeout)
	case s.Region != "" && (!wire.IsLabel(s.Region) || s.Region != strings.ToLower(s.Region)):
		return nil, "", fmt.Errorf("Region is %.64q, which is not a region: lower-case letters, digits and hyphens, such as eu-west-1", s.Region)
	case s.Duration != 0 && (s.Duration < 15*time.Minute || s.Duration > 12*time.Hour || s.Duration%time.Second != 0):
		return nil, "", fmt.Errorf("Duration is %v, and whole seconds from 15m0s to 12h0m0s are allowed", s.Duration)
	}
	if endpoint, err = s.endpoint(); err != nil {
		return nil, "", err
	}
	destination, err = s.destination()
	return endpoint, destination, err
}

func (s *SignIn) timeout() time.Duration { return cmp.Or(s.AttemptTimeout, defaultTimeout) }
