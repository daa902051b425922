package sso

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// grant contains the secrets that a refresh sends.
type grant struct{ clientID, clientSecret, refreshToken stschain.Secret }

// grant returns what refreshes a token, or why it cannot be refreshed.
func (p *Provider) grant(t *token) (grant, error) {
	texts, err := t.content.Required("refreshToken", "clientId", "clientSecret")
	var expires time.Time // of the client that the AWS CLI registered
	if err == nil {
		expires, err = t.content.Time("registrationExpiresAt")
	}
	if err == nil && !expires.IsZero() && !p.now().Before(expires) {
		err = fmt.Errorf("the client registration expired at %s", expires.UTC().Format(time.RFC3339))
	}
	if err != nil {
		return grant{}, stschain.Permanent(fmt.Errorf("%w; %s", err, p.advice()))
	}
	return grant{refreshToken: texts[0], clientID: texts[1], clientSecret: texts[2]}, nil
}

// redeem calls the operation CreateToken of the OIDC service.
func (p *Provider) redeem(ctx context.Context, at places, t *token, g grant) (*token, error) {
	body, err := json.Marshal(map[string]string{
		"grantType": "refresh_token", "clientId": g.clientID.Reveal(), "clientSecret": g.clientSecret.Reveal(), "refreshToken": g.refreshToken.Reveal(),
	})
	if err != nil {
		return nil, err
	}
	response, err := p.call(ctx, at.oidc.JoinPath("token"), wire.Request{
		Method: http.MethodPost,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: stschain.NewSecret(string(body)),
		Secrets: []stschain.Secret{g.clientID, g.clientSecret, g.refreshToken},
	})
	if errors.Is(err, stschain.ErrPermanent) {
		return nil, fmt.Errorf("%w; the session has probably ended: %s", err, p.advice())
	}
	if err != nil {
		return nil, err
	}
	renewed, err := t.with(response)
	if err != nil {
		return nil, fmt.Errorf("invalid response of %s: %w", at.oidc.Host, err)
	}
	return renewed, nil
}

const maxLife = 366 * 24 * time.Hour // of a token; AWS's are valid for an hour

// with returns the token of a response. The members of the file that the response lacks stay.
func (t *token) with(response wire.Response) (*token, error) {
	var doc struct {
		AccessToken  string `json:"accessToken"`
		RefreshToken string `json:"refreshToken"`
		ExpiresIn    int64  `json:"expiresIn"` // seconds
	}
	if json.Unmarshal(response.Body, &doc) != nil {
		return nil, errors.New("not a JSON object with accessToken and expiresIn")
	}
	access := stschain.NewSecret(doc.AccessToken)
	if err := sendable(access); err != nil {
		return nil, err
	}
	if doc.ExpiresIn < 1 || doc.ExpiresIn > int64(maxLife/time.Second) {
		return nil, fmt.Errorf("expiresIn is not between 1 and %d seconds", int64(maxLife/time.Second))
	}
	expires := response.Sent.Add(time.Duration(doc.ExpiresIn) * time.Second).Truncate(time.Second) // as the file has it
	updated := t.content.WithText("accessToken", access).WithTime("expiresAt", expires)
	if doc.RefreshToken != "" {
		updated = updated.WithText("refreshToken", stschain.NewSecret(doc.RefreshToken))
	}
	return &token{t.content.With(updated), access, expires}, nil
}
