package stsquery

import (
	"context"
	"errors"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// place is a region that a call may use. In the client it has only the endpoint.
type place struct {
	_ [0]func() // nothing compares it, so no code for that is needed

	to     *endpoint
	last   *Error // the latest failure there; nil: not called yet
	class  failureClass
	closed bool // not called again
}

// addPlaces finds the places of FallbackRegions.
func (c *Client) addPlaces() error {
	for _, region := range c.FallbackRegions {
		e, err := c.resolve(region)
		if err != nil {
			return err
		}
		// Not all regions accept the tokens of a global endpoint.
		if c.Endpoint != "" || region == "" || strings.HasSuffix(region, "-global") || !wire.SamePartition(region, c.Region) {
			return invalidf("Client.FallbackRegions has %s: use regions of the partition of Client.Region, %s, and no Client.Endpoint", quote(region), quote(c.Region))
		}
		e.url.Host, e.signingRegion = wire.ServiceHost("sts", region, c.FIPS, c.DualStack), region
		if e.url.Host == c.home.url.Host {
			continue
		}
		e.signer = newSigner(e)
		if c.places == nil {
			c.places = []place{{to: c.home}}
		}
		c.places = append(c.places, place{to: e})
	}
	return nil
}

// move selects the region of the next attempt after one failed. now reports that the region was not called before, so
// the attempt is not a retry. Otherwise the next attempt is a retry of the failure that move returns.
func (s *series) move(ctx context.Context, failure *Error, class failureClass) (_ *Error, _ failureClass, now bool) {
	if s.places == nil || ctx.Err() != nil {
		return failure, class, false
	}
	here, next := &s.places[s.at], s.at
	here.last, here.class = failure, class
	switch {
	case class == unsent, (class == down || class == elsewhere) && !s.op.once && !failure.Is(stschain.ErrPermanent):
		here.closed = class == elsewhere
		for i := range s.places {
			if at := (s.at + 1 + i) % len(s.places); !s.places[at].closed {
				next = at
				break
			}
		}
	case class == final && s.at > 0 && !s.op.once: // it may refuse everything, so it does not decide
		for i := range s.places[1:] {
			s.places[1+i].closed = true
		}
		next = 0
	}
	to := &s.places[next]
	moved := *s.request
	moved.to = to.to
	s.at, s.request = next, &moved
	if to.last == nil {
		return failure, class, true
	}
	return to.last, to.class, false
}

// result returns the error of a call whose last attempt failed: that of Region, and what the other regions returned.
func (s *series) result(last *Error, class failureClass) *Error {
	if last == nil || s.places == nil || s.places[0].last == nil || s.at > 0 && class == final {
		return last
	}
	if s.at > 0 {
		last = s.places[0].last
	}
	for _, p := range s.places[1:] {
		if p.last != nil {
			last = last.with("fallback "+p.to.url.Host, errors.New(p.last.response()))
			last.Attempts = s.attempts
		}
	}
	return last
}

// note reports that another region than Region was used.
func (s *series) note(ctx context.Context) {
	if s.at == 0 {
		return
	}
	stschain.Note(ctx, func() string {
		home := s.places[0]
		return "STS at " + home.to.url.Host + " failed: " + home.last.response() + "; used " + s.to.url.Host
	})
}
