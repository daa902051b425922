package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/wire"
)

const (
	tries      = 3
	tryTimeout = 5 * time.Second // on one of them
	firstPause = 300 * time.Millisecond
	maxLife    = 12 * time.Hour // that credentials have; AWS's have 15 minutes
)

// answer is what a refresh token was redeemed for.
type answer struct {
	creds        stschain.Credentials // they expire on this process's clock, as those in the file do
	refreshToken stschain.Secret      // zero: the old one stays good
}

// ask redeems a refresh token, and tries again where that may help: redeeming one twice
// gives the same.
func (p *Provider) ask(ctx context.Context, to *url.URL, g grant) (a answer, err error) {
	client := wire.Client(p.HTTPClient, tryTimeout)
	client.Jar = nil
	if p.HTTPClient == nil {
		defer client.CloseIdleConnections()
	}
	attempts := p.MaxAttempts
	if attempts <= 0 {
		attempts = tries
	}
	body, err := json.Marshal(map[string]string{
		"clientId": g.clientID, "grantType": "refresh_token", "refreshToken": g.refreshToken.Reveal(),
	})
	if err != nil {
		return answer{}, err
	}
	err = wire.Retry(ctx, attempts, firstPause, func() (again bool, err error) {
		sent := p.now()
		dpop, err := proof(g.key(), to.String(), sent.Add(p.clockOff()))
		if err != nil {
			return false, err
		}
		got, err := wire.Send(ctx, client, wire.Request{
			Method: http.MethodPost, URL: to.String(), Timeout: tryTimeout,
			Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "Dpop": {dpop.Reveal()}},
			Body:   stschain.NewSecret(string(body)), Secrets: []stschain.Secret{g.refreshToken, dpop},
		})
		if err != nil {
			return ctx.Err() == nil && !errors.Is(err, wire.ErrTooLarge), fmt.Errorf("%s: %w", to.Host, err)
		}
		p.compare(got.Header, sent, p.now())
		if got.Status != http.StatusOK {
			return wire.Retryable(got.Status), p.refused(to, got, g.refreshToken, dpop).marked()
		}
		if a, err = parseAnswer(got.Body, sent); err != nil {
			return true, fmt.Errorf("the answer of %s cannot be used: %w", to.Host, err)
		}
		return false, nil
	})
	return a, err
}

// parseAnswer reads what the service gives. Its errors show nothing of it.
func parseAnswer(body []byte, sent time.Time) (answer, error) {
	var doc struct {
		AccessToken  json.RawMessage `json:"accessToken"`
		RefreshToken string          `json:"refreshToken"`
		ExpiresIn    int64           `json:"expiresIn"` // seconds
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return answer{}, errors.New("it is no JSON object of an accessToken, a refreshToken and expiresIn")
	}
	creds, err := parseKeys(stschain.NewSecret(string(doc.AccessToken)))
	switch {
	case err != nil:
		return answer{}, err
	case doc.ExpiresIn < 1 || doc.ExpiresIn > int64(maxLife/time.Second):
		return answer{}, fmt.Errorf("its expiresIn is not between 1 and %d seconds", int64(maxLife/time.Second))
	}
	life := time.Duration(doc.ExpiresIn) * time.Second
	creds.Expires = sent.Add(life).UTC().Truncate(time.Second)
	return answer{creds, stschain.NewSecret(doc.RefreshToken)}, nil
}

// refusal is an answer that gives nothing.
type refusal struct {
	text   string
	status int
	code   string // "": it is not the sign-in service that speaks
}

func (r *refusal) Error() string { return r.text }

// judged reports whether the service looked at the request and found it wanting.
func (r *refusal) judged() bool {
	return r.code != "" && r.status >= 400 && r.status < 500 && !wire.Retryable(r.status)
}

// final reports whether the session has ended.
func (r *refusal) final() bool {
	_, ok := endings[r.code]
	return ok && r.judged()
}

// marked returns r, marked as ErrPermanent or ErrThrottled.
func (r *refusal) marked() error {
	if r.judged() {
		return stschain.Permanent(r)
	}
	return wire.Throttled(r.status, r)
}

// endings are the codes of sessions that have ended, and what that means.
var endings = map[string]string{
	"TOKEN_EXPIRED":            "the session has ended",
	"AUTHCODE_EXPIRED":         "the session was never begun",
	"USER_CREDENTIALS_CHANGED": "the password was changed since",
	"INSUFFICIENT_PERMISSIONS": "signin:CreateOAuth2Token is not allowed, for which there is the policy SignInLocalDevelopmentAccess",
}

// refused reads an answer that gives nothing. What the service says is not shown if it holds
// a secret.
func (p *Provider) refused(to *url.URL, a wire.Response, secrets ...stschain.Secret) *refusal {
	var doc struct{ Error, Message string }
	if json.Unmarshal(a.Body, &doc) != nil {
		doc.Error, doc.Message = "", ""
	}
	r := &refusal{status: a.Status, code: redact.OneLine(doc.Error, 64)}
	said := strings.TrimSuffix(r.code+": "+redact.OneLine(doc.Message, 512), ": ")
	for _, s := range secrets {
		if strings.Contains(doc.Error+doc.Message, s.Reveal()) {
			r.code, said = "UNKNOWN", "a message that is not shown, since it holds a secret"
		}
	}
	r.text = fmt.Sprintf("%s answered %d %s", to.Host, a.Status, http.StatusText(a.Status))
	if r.code != "" {
		r.text += ", " + said
	}
	switch off := p.clockOff().Round(time.Second); {
	case off < 0 && r.judged():
		r.text += fmt.Sprintf("; this machine's clock is %v ahead of the service's", -off)
	case off > 0 && r.judged():
		r.text += fmt.Sprintf("; this machine's clock is %v behind the service's", off)
	}
	if meaning := endings[r.code]; meaning != "" {
		r.text += "; " + meaning
	}
	if r.judged() {
		r.text += "; " + p.advice()
	}
	return r
}
