package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// patience limits a refresh, the wait for other processes included.
const patience = 20 * time.Second

// prepare returns the request that refreshes a session.
func (p *Provider) prepare(s session) (redeem func(context.Context) (session, error), err error) {
	to, err := p.tokenURL()
	if err != nil {
		return nil, err
	}
	g, err := s.grant()
	if err != nil {
		return nil, stschain.Permanent(fmt.Errorf("%w; %s", err, p.advice()))
	}
	return func(ctx context.Context) (session, error) {
		off := p.clockOff()
		a, err := p.ask(ctx, to, g)
		refused, ok := errors.AsType[*refusal](err)
		if ok && refused.judged() && p.clockOff() != off { // the proof had the wrong time
			a, err = p.ask(ctx, to, g)
			refused, ok = errors.AsType[*refusal](err)
		}
		if ok && refused.final() { // its credentials must not be used any more
			p.sessions.Reject(s.creds.AccessKeyID, p.now(), err)
		}
		if err != nil {
			return session{}, err
		}
		return s.with(a), nil
	}, nil
}

// tolerance is by how much clocks that agree may seem to differ: the Date of a response is in whole
// seconds, and from one of many machines.
const tolerance = 2 * time.Second

// clockOff is by how much the server's clock is ahead of this process's.
func (p *Provider) clockOff() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ahead
}

// compare learns from a response how the clocks differ.
func (p *Provider) compare(answer http.Header, sent, received time.Time) {
	measured, ok := wire.MeasureSkew(answer, sent, received)
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
func ahead(s wire.Skew) time.Duration {
	if s.Least > tolerance || s.Most < -tolerance {
		return s.Least
	}
	return 0
}
