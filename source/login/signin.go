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
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/wire"
)

const maxLife = 12 * time.Hour // of credentials; AWS's are valid for 15 minutes

// renewal is the result of redeeming a refresh token.
type renewal struct {
	creds        stschain.Credentials // Expires is on this process's clock, as in the file
	refreshToken stschain.Secret      // zero: the old one stays valid
}

// redeem redeems a refresh token. A request may be retried: the response is the same. The
// error of a response other than 200 wraps a *wire.Refusal.
func (p *Provider) redeem(ctx context.Context, to *url.URL, g grant) (r renewal, err error) {
	body, err := json.Marshal(map[string]string{
		"clientId": g.clientID, "grantType": "refresh_token", "refreshToken": g.refreshToken.Reveal(),
	})
	if err != nil {
		return renewal{}, err
	}
	service := wire.Service{URL: to, HTTPClient: p.HTTPClient, MaxAttempts: p.MaxAttempts, Now: p.now}
	var dpop stschain.Secret
	request := func() (wire.Request, error) {
		var err error
		dpop, err = proof(g.key(), to.String(), p.now().Add(p.clockOff()))
		return wire.Request{
			Method: http.MethodPost,
			Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "Dpop": {dpop.Reveal()}},
			Body:   stschain.NewSecret(string(body)), Secrets: []stschain.Secret{g.refreshToken, dpop},
		}, err
	}
	err = service.Call(ctx, request, func(got wire.Response) (err error) {
		p.compare(got)
		if got.Status != http.StatusOK {
			var doc struct{ Error, Message string }
			if json.Unmarshal(got.Body, &doc) != nil {
				doc.Error, doc.Message = "", ""
			}
			return p.explain(service.Refuse(got, doc.Error, doc.Message, g.refreshToken, dpop).Marked())
		}
		if r, err = parse(got); err != nil {
			return fmt.Errorf("invalid response of %s: %w", to.Host, err)
		}
		return nil
	})
	return r, err
}

// parse reads a response. Its errors do not show it.
func parse(response wire.Response) (renewal, error) {
	var doc struct {
		AccessToken  json.RawMessage `json:"accessToken"`
		RefreshToken string          `json:"refreshToken"`
		ExpiresIn    int64           `json:"expiresIn"` // seconds
	}
	if json.Unmarshal(response.Body, &doc) != nil {
		return renewal{}, errors.New("not a JSON object with accessToken, refreshToken and expiresIn")
	}
	creds, err := credjson.Complete(doc.AccessToken, "sessionToken")
	switch {
	case err != nil:
		return renewal{}, fmt.Errorf("invalid accessToken: %w", err)
	case doc.ExpiresIn < 1 || doc.ExpiresIn > int64(maxLife/time.Second):
		return renewal{}, fmt.Errorf("expiresIn is not between 1 and %d seconds", int64(maxLife/time.Second))
	}
	creds.Expires = response.Sent.Add(time.Duration(doc.ExpiresIn) * time.Second).UTC().Truncate(time.Second)
	return renewal{creds, stschain.NewSecret(doc.RefreshToken)}, nil
}

// endings are the codes of sessions that have ended, and what they mean.
var endings = map[string]string{
	"TOKEN_EXPIRED":            "the session has ended",
	"AUTHCODE_EXPIRED":         "the sign-in was not completed",
	"USER_CREDENTIALS_CHANGED": "the password was changed since",
	"INSUFFICIENT_PERMISSIONS": "signin:CreateOAuth2Token is not allowed, for which there is the policy SignInLocalDevelopmentAccess",
}

// ended returns why a refusal means that the session has ended, and "" if it does not.
func ended(err error) string {
	refusal, ok := errors.AsType[*wire.Refusal](err)
	if !ok || !errors.Is(err, stschain.ErrPermanent) {
		return ""
	}
	return endings[refusal.Code]
}

// explain adds the meaning of a refusal and what to do.
func (p *Provider) explain(err error) error {
	if !errors.Is(err, stschain.ErrPermanent) {
		return err
	}
	var meaning string
	switch off := p.clockOff().Round(time.Second); {
	case off < 0:
		meaning = fmt.Sprintf("; this machine's clock is %v ahead of the service's", -off)
	case off > 0:
		meaning = fmt.Sprintf("; this machine's clock is %v behind the service's", off)
	}
	return fmt.Errorf("%w%s; %s", err, meaning, strings.TrimPrefix(ended(err)+"; "+p.advice(), "; "))
}
