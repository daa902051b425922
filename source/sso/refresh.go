package sso

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/agent"
)

// rest is the least time from one try to refresh to the next.
const rest = 30 * time.Second

// refresh returns a token that is better than the old one, because it or another process
// refreshed it.
func (p *Provider) refresh(ctx context.Context, at places, old token) (token, error) {
	if _, err := p.grant(old); err != nil {
		return token{}, err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, refreshPatience, fmt.Errorf("the refresh was given up after %v", refreshPatience))
	defer cancel()
	holding, err := p.store.Hold(bounded, at.file, p.Open)
	if err != nil {
		return token{}, err
	}
	defer holding.Release()
	held, err := p.load(bounded, at.file)
	if err != nil || held.access != old.access && p.fresh(held) {
		return held, err
	}
	if err := p.rested(held); err != nil {
		return token{}, err
	}
	renewed, err := p.redeem(bounded, at, held)
	if err == nil {
		holding.Keep(bounded, renewed.content)
		p.note(p.now(), nil)
		return renewed, nil
	}
	if ctx.Err() != nil { // the caller left, which says nothing
		p.note(time.Time{}, nil)
		return token{}, err
	}
	// Who takes no lock may have refreshed it first, or somebody has signed in again.
	if now, loadErr := p.load(ctx, at.file); loadErr == nil && now.access != held.access && p.fresh(now) {
		return now, nil
	}
	err = holding.Refused(err)
	p.note(p.now(), err)
	return token{}, err
}

// rested tells if it is too early for another try. A token that has expired needs one, unless
// the last try was refused: a laptop wakes up before its network does.
func (p *Provider) rested(held token) error {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ago := now.Sub(p.tried); {
	case p.tried.IsZero(), ago < 0, ago >= rest:
		return nil
	case p.failure != nil && !errors.Is(p.failure, stschain.ErrPermanent) && !now.Before(held.expires):
		return nil
	case p.failure == nil:
		return fmt.Errorf("it was refreshed %v ago", ago.Round(time.Second))
	default:
		return fmt.Errorf("the last try, %v ago, says: %w", ago.Round(time.Second), p.failure)
	}
}

// note keeps what became of a try.
func (p *Provider) note(at time.Time, failure error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried, p.failure = at, failure
}

// grant is what refreshes a token.
type grant struct{ clientID, clientSecret, refreshToken stschain.Secret }

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
			err = fmt.Errorf("the client that it was given to was registered until %s", expires.UTC().Format(time.RFC3339))
		}
	}
	if err != nil {
		return grant{}, stschain.Permanent(fmt.Errorf("it cannot be refreshed: %v; %s", err, p.advice()))
	}
	return g, nil
}

// redeem gets a token for a refresh token: the operation CreateToken of the OIDC service.
func (p *Provider) redeem(ctx context.Context, at places, t token) (token, error) {
	g, err := p.grant(t)
	if err != nil {
		return token{}, err
	}
	body, err := json.Marshal(map[string]string{
		"grantType": "refresh_token", "clientId": g.clientID.Reveal(), "clientSecret": g.clientSecret.Reveal(), "refreshToken": g.refreshToken.Reveal(),
	})
	if err != nil {
		return token{}, err
	}
	answer, err := p.ask(ctx, at.oidc.JoinPath("token"), agent.Request{
		Method: http.MethodPost,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: stschain.NewSecret(string(body)),
		Secrets: []stschain.Secret{g.clientID, g.clientSecret, g.refreshToken},
	})
	var renewed token
	if err == nil {
		if renewed, err = t.with(answer.body, answer.sent); err != nil {
			err = fmt.Errorf("the answer of %s cannot be used: %v", at.oidc.Host, err) // it may be another one soon
		}
	}
	if refused, ok := errors.AsType[*refusal](err); ok && refused.judged() {
		err = fmt.Errorf("%w; the session has ended, it seems: %s", err, p.advice())
	}
	if err != nil {
		return token{}, fmt.Errorf("it cannot be refreshed: %w", err)
	}
	return renewed, nil
}

const maxLife = 366 * 24 * time.Hour // of a token; it is an hour

// with is the token that an answer gives. What the answer does not say stays.
func (t token) with(answer []byte, sent time.Time) (token, error) {
	var doc struct {
		AccessToken  string `json:"accessToken"`
		RefreshToken string `json:"refreshToken"`
		ExpiresIn    int64  `json:"expiresIn"` // seconds
	}
	if err := json.Unmarshal(answer, &doc); err != nil {
		return token{}, errors.New("it is no JSON object of an accessToken and expiresIn")
	}
	access := stschain.NewSecret(doc.AccessToken)
	if err := sendable(access); err != nil {
		return token{}, err
	}
	if doc.ExpiresIn < 1 || doc.ExpiresIn > int64(maxLife/time.Second) {
		return token{}, fmt.Errorf("its expiresIn is not between 1 and %d seconds", int64(maxLife/time.Second))
	}
	expires := sent.Add(time.Duration(doc.ExpiresIn) * time.Second)
	updated := t.content.WithText("accessToken", access).WithTime("expiresAt", expires)
	if doc.RefreshToken != "" {
		updated = updated.WithText("refreshToken", stschain.NewSecret(doc.RefreshToken))
	}
	return token{t.content.With(updated), access, expires}, nil
}
