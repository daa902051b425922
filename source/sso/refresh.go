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

// grant is what a refresh sends.
type grant struct{ clientID, clientSecret, refreshToken stschain.Secret }

// grant reads what refreshes a token, or returns why it cannot be refreshed.
func (p *Provider) grant(t token) (g grant, err error) {
	for _, member := range []struct {
		name string
		to   *stschain.Secret
	}{{"refreshToken", &g.refreshToken}, {"clientId", &g.clientID}, {"clientSecret", &g.clientSecret}} {
		if *member.to, err = t.content.Text(member.name); err == nil && member.to.IsZero() {
			err = fmt.Errorf("its file has no %s", member.name)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		var expires time.Time // of the registration of the AWS CLI
		if expires, err = t.content.Time("registrationExpiresAt"); err == nil && !expires.IsZero() && !p.now().Before(expires) {
			err = fmt.Errorf("the registration of its client expired at %s", expires.UTC().Format(time.RFC3339))
		}
	}
	if err != nil {
		return grant{}, stschain.Permanent(fmt.Errorf("%w; %s", err, p.advice()))
	}
	return g, nil
}

// redeem redeems the refresh token: the operation CreateToken of the OIDC service.
func (p *Provider) redeem(ctx context.Context, at places, t token, g grant) (token, error) {
	body, err := json.Marshal(map[string]string{
		"grantType": "refresh_token", "clientId": g.clientID.Reveal(), "clientSecret": g.clientSecret.Reveal(), "refreshToken": g.refreshToken.Reveal(),
	})
	if err != nil {
		return token{}, err
	}
	answer, err := p.ask(ctx, at.oidc.JoinPath("token"), wire.Request{
		Method: http.MethodPost,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: stschain.NewSecret(string(body)),
		Secrets: []stschain.Secret{g.clientID, g.clientSecret, g.refreshToken},
	})
	if refused, ok := errors.AsType[*refusal](err); ok && refused.judged() {
		return token{}, fmt.Errorf("%w; the session has probably ended: %s", err, p.advice())
	}
	if err != nil {
		return token{}, err
	}
	renewed, err := t.with(answer.body, answer.sent)
	if err != nil {
		return token{}, fmt.Errorf("the response of %s cannot be used: %w", at.oidc.Host, err)
	}
	return renewed, nil
}

const maxLife = 366 * 24 * time.Hour // of a token; AWS's are valid for an hour

// with returns the token of a response. The members of the file that the response lacks stay.
func (t token) with(answer []byte, sent time.Time) (token, error) {
	var doc struct {
		AccessToken  string `json:"accessToken"`
		RefreshToken string `json:"refreshToken"`
		ExpiresIn    int64  `json:"expiresIn"` // seconds
	}
	if err := json.Unmarshal(answer, &doc); err != nil {
		return token{}, errors.New("it is not a JSON object with accessToken and expiresIn")
	}
	access := stschain.NewSecret(doc.AccessToken)
	if err := sendable(access); err != nil {
		return token{}, err
	}
	if doc.ExpiresIn < 1 || doc.ExpiresIn > int64(maxLife/time.Second) {
		return token{}, fmt.Errorf("its expiresIn is not between 1 and %d seconds", int64(maxLife/time.Second))
	}
	expires := sent.Add(time.Duration(doc.ExpiresIn) * time.Second).Truncate(time.Second) // as the file has it
	updated := t.content.WithText("accessToken", access).WithTime("expiresAt", expires)
	if doc.RefreshToken != "" {
		updated = updated.WithText("refreshToken", stschain.NewSecret(doc.RefreshToken))
	}
	return token{t.content.With(updated), access, expires}, nil
}
