package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/skew"
)

// patience bounds a refresh, the wait for other processes included.
const patience = 20 * time.Second

// rounds is how often a refresh is refused at most before that counts.
const rounds = 3

// refresh returns a session that is fresh, because it or another process refreshed it.
func (p *Provider) refresh(ctx context.Context, path string) (session, error) {
	to, err := p.tokenURL()
	if err != nil {
		return session{}, err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the refresh was given up after %v", patience))
	defer cancel()
	holding, err := p.store.Hold(bounded, path, p.Open)
	if err != nil {
		return session{}, err
	}
	defer holding.Release()
	for round := 1; ; round++ {
		held, err := p.load(bounded, path)
		if err != nil || p.fresh(held) {
			return held, err
		}
		off := p.clockOff()
		refreshed, err := p.redeem(bounded, to, held)
		if err == nil {
			holding.Keep(bounded, refreshed.content)
			return refreshed, nil
		}
		refused, ok := errors.AsType[*refusal](err)
		if !ok || !refused.judged() || round == rounds || p.clockOff() == off && !holding.Changed(bounded, held.content) {
			return session{}, holding.Refused(err)
		}
	}
}

// redeem gets credentials for a refresh token.
func (p *Provider) redeem(ctx context.Context, to *url.URL, s session) (session, error) {
	g, err := s.grant()
	if err != nil {
		return session{}, stschain.Permanent(fmt.Errorf("the file cannot be used: %v; %s", err, p.advice()))
	}
	a, err := p.ask(ctx, to, g)
	if err != nil {
		return session{}, err
	}
	return s.with(a), nil
}

// tolerance is how far apart clocks may seem that agree: the answer's date is in whole
// seconds, and of some machine behind the service.
const tolerance = 2 * time.Second

// clockOff is by how much the server's clock is ahead of this process's.
func (p *Provider) clockOff() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ahead
}

// compare learns from an answer how the clocks differ.
func (p *Provider) compare(answer http.Header, sent, received time.Time) {
	measured, ok := skew.Measure(answer, sent, received)
	if !ok || p.DisableClockSkewCorrection {
		return
	}
	off := ahead(measured)
	p.mu.Lock()
	defer p.mu.Unlock()
	if (off - p.ahead).Abs() > tolerance {
		p.ahead = off
	}
}

// ahead is by how much the server's clock is ahead at least, and 0 if the clocks may agree.
func ahead(s skew.Skew) time.Duration {
	if s.Least > tolerance || s.Most < -tolerance {
		return s.Least
	}
	return 0
}
