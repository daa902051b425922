package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// patience limits a refresh, the wait for other processes included.
const patience = 20 * time.Second

// prepare returns the request that refreshes a session.
func (p *Provider) prepare(s *session) (redeem func(context.Context) (*session, error), err error) {
	to, err := p.tokenURL()
	if err != nil {
		return nil, err
	}
	g, err := s.grant()
	if err != nil {
		return nil, stschain.Permanent(fmt.Errorf("%w; %s", err, p.advice()))
	}
	return func(ctx context.Context) (*session, error) {
		off := p.clockOff()
		r, err := p.redeem(ctx, to, g)
		if errors.Is(err, stschain.ErrPermanent) && p.clockOff() != off { // the proof had the wrong time
			r, err = p.redeem(ctx, to, g)
		}
		if ended(err) != "" { // its credentials must not be used any more
			p.sessions.Reject(s.creds.AccessKeyID, p.now(), err)
		}
		if err != nil {
			return nil, err
		}
		return s.with(r), nil
	}, nil
}

// tolerance is by how much synchronized clocks may seem to differ: the Date of
// a response is in whole seconds, and comes from one of many machines.
const tolerance = 2 * time.Second

// clockOff is by how much the server's clock is ahead of this process's.
func (p *Provider) clockOff() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ahead
}

// compare learns from a response how the clocks differ: by how much the server's is ahead at least, and 0
// if the clocks may agree.
func (p *Provider) compare(r wire.Response) {
	measured, ok := wire.MeasureSkew(r.Header, r.Sent, r.Received)
	if !ok || p.DisableClockSkewCorrection {
		return
	}
	off := measured.Least
	if off <= tolerance && measured.Most >= -tolerance {
		off = 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if (off - p.ahead).Abs() > tolerance {
		p.ahead = off
	}
}
