package proof

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

// signIn calls an operation of AWS Sign-In that issues an OAuth 2.0 access token.
type signIn struct {
	operation string
	query     string // selects the operation
	body      any    // to send as JSON

	region, endpoint string
	allowHTTP        bool
	attempts         int
	clock            stschain.Clock
}

const maxBearerLife = 12 * time.Hour

// url returns the URL of the operation.
func (s *signIn) url() (*url.URL, error) {
	partition, _ := wire.SignInDomain(s.region)
	switch {
	case s.endpoint != "":
	case !wire.IsLabel(s.region):
		return nil, stschain.Permanent(fmt.Errorf("Region is %.64q, and a region such as eu-west-1 is required", s.region))
	case partition != "aws":
		return nil, stschain.Permanent(fmt.Errorf("Region is %s, of the partition %s, for which AWS Sign-In publishes no host that issues these tokens: set Endpoint if there is one",
			s.region, partition))
	}
	u, err := wire.Base(s.endpoint, s.allowHTTP, false, s.region+".oauth.signin.aws")
	if err != nil {
		return nil, stschain.Permanent(err)
	}
	u = u.JoinPath("v1", "token")
	u.RawQuery = s.query
	return u, nil
}

// call sends the request, and reads the token in the response. secrets returns what the request may contain.
func (s *signIn) call(ctx context.Context, client *http.Client, secrets func() []stschain.Secret) (token Token, err error) {
	to, err := s.url()
	if err != nil {
		return Token{}, err
	}
	body, err := json.Marshal(s.body)
	if err != nil {
		return Token{}, err
	}
	service := wire.Service{URL: to, HTTPClient: client, MaxAttempts: s.attempts, Now: func() time.Time { return system.Now(s.clock) }}
	request := func() (wire.Request, error) {
		return wire.Request{
			Method: http.MethodPost,
			Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
			Body:   stschain.NewSecret(string(body)), Secrets: secrets(),
		}, nil
	}
	err = service.Call(ctx, request, func(got wire.Response) (err error) {
		token, err = parseIssued(got)
		if got.Status != http.StatusOK || err != nil {
			err = s.refusal(to.Host, got, err, secrets())
		}
		return err
	})
	if err != nil {
		return Token{}, redact.Error(err, secrets()) // a request that was signed again has other secrets than before
	}
	return token, nil
}

// parseIssued reads a response with a token (RFC 6749, 5.1). Its errors do not show it.
func parseIssued(response wire.Response) (Token, error) {
	var doc struct {
		AccessToken     string `json:"access_token"`
		TokenType       string `json:"token_type"`
		IssuedTokenType string `json:"issued_token_type"`
		ExpiresIn       int64  `json:"expires_in"` // seconds
	}
	switch err := json.Unmarshal(response.Body, &doc); {
	case err != nil || doc.AccessToken == "":
		return Token{}, errors.New("not a JSON object with access_token, token_type and expires_in")
	case !isBearer(doc.AccessToken):
		return Token{}, errors.New("access_token has characters that no Authorization header can carry")
	case !strings.EqualFold(doc.TokenType, "Bearer"):
		return Token{}, errors.New("token_type is not Bearer")
	case doc.IssuedTokenType != "" && doc.IssuedTokenType != accessTokenType:
		return Token{}, errors.New("issued_token_type is not that of an access token")
	case doc.ExpiresIn < 1 || doc.ExpiresIn > int64(maxBearerLife/time.Second):
		return Token{}, fmt.Errorf("expires_in is missing, or not between 1 and %d seconds", int64(maxBearerLife/time.Second))
	}
	return Token{stschain.NewSecret(doc.AccessToken), response.Sent.Add(time.Duration(doc.ExpiresIn) * time.Second)}, nil
}

const accessTokenType = "urn:ietf:params:oauth:token-type:access_token"

// isBearer reports whether s is a token for an Authorization header (RFC 6750, 2.1).
func isBearer(s string) bool {
	s = strings.TrimRight(s, "=")
	return s != "" && wire.ConsistsOf(s, "-._~+/")
}

// refusal returns the error in a response without a valid token.
func (s *signIn) refusal(host string, r wire.Response, problem error, secrets []stschain.Secret) error {
	var doc struct {
		Type        string `json:"__type"`
		Reason      string `json:"error"`
		Message     string `json:"message"`
		Description string `json:"error_description"`
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(r.Body, &doc) != nil {
		doc.Type, doc.Reason, doc.Message, doc.Description = "", "", "", ""
	}
	if doc.AccessToken != "" {
		secrets = append(slices.Clip(secrets), stschain.NewSecret(doc.AccessToken))
	}
	header, _, _ := strings.Cut(r.Header.Get("X-Amzn-Errortype"), ":")
	e := &SignInError{
		Operation:  s.operation,
		Code:       redact.OneLine(redact.Text(cmp.Or(doc.Type[strings.LastIndex(doc.Type, "#")+1:], header), secrets), 64),
		Reason:     redact.OneLine(redact.Text(doc.Reason, secrets), 64),
		Message:    redact.Text(cmp.Or(doc.Message, doc.Description), secrets),
		RequestID:  redact.OneLine(redact.Text(r.Header.Get("X-Amzn-Requestid"), secrets), 64),
		StatusCode: r.Status,
		Endpoint:   host,
	}
	if r.Status == http.StatusOK || e.Code+e.Reason == "" {
		e.problem = problem
	}
	return e
}
