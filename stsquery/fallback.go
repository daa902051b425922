package stsquery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// regional returns the URL of a region's STS.
func (c *Client) regional(region string) url.URL {
	return url.URL{Scheme: "https", Host: wire.ServiceHost("sts", region, c.FIPS, c.DualStack), Path: "/"}
}

// fallbacks returns the endpoints of FallbackRegions other than the client's own.
func (c *Client) fallbacks() (list []*endpoint, err error) {
	if len(c.FallbackRegions) == 0 {
		return nil, nil
	}
	if c.Endpoint != "" {
		return nil, invalidf("Client.FallbackRegions and Client.Endpoint are both set, and only the STS of AWS has regions: remove one of them")
	}
	partition, _ := wire.SignInDomain(c.Region)
	for _, region := range c.FallbackRegions {
		other, _ := wire.SignInDomain(region)
		switch {
		case !wire.IsLabel(region), strings.HasSuffix(region, "-global"): // not all regions accept the tokens of a global endpoint
			return nil, invalidf("Client.FallbackRegions has %s, not the name of a region, such as eu-west-1", quote(region))
		case other != partition:
			return nil, invalidf("Client.FallbackRegions has %s of the partition %s, and credentials of %s are not valid there: use regions of the partition of Client.Region, %s",
				quote(region), other, partition, quote(c.Region))
		}
		e := &endpoint{url: c.regional(region), signingRegion: region, signingName: c.home.signingName, aws: true}
		e.signer = newSigner(e)
		if !slices.ContainsFunc(append(list, c.home), func(have *endpoint) bool { return strings.EqualFold(have.url.Host, e.url.Host) }) {
			list = append(list, e)
		}
	}
	return list, nil
}

// place is a region that a call may use.
type place struct {
	_ [0]func() // nothing compares it, so no code for that is needed

	to     *endpoint
	last   *Error // the latest failure there; nil: not called yet
	class  failureClass
	closed bool // not called again
}

// places returns those of a call, that of Region first. Without fallback there are none.
func (c *Client) places(r *request) (list []place) {
	if len(c.elsewhere) == 0 || r.op.regional {
		return nil
	}
	for _, to := range append([]*endpoint{c.home}, c.elsewhere...) {
		list = append(list, place{to: to})
	}
	return list
}

// move selects the region of the next attempt after one failed. now reports that the region was not called before, so
// the attempt is not a retry. Otherwise the next attempt is a retry of the failure that move returns.
func (s *series) move(ctx context.Context, failure *Error, class failureClass) (_ *Error, _ failureClass, now bool) {
	if len(s.places) == 0 || ctx.Err() != nil {
		return failure, class, false
	}
	here, next := &s.places[s.at], s.at
	here.last, here.class = failure, class
	switch {
	case s.outage(failure, class):
		here.closed = class == final // its name does not resolve
		for i := 1; i < len(s.places) && next == s.at; i++ {
			if at := (s.at + i) % len(s.places); !s.places[at].closed {
				next = at
			}
		}
	case class == final && s.at > 0 && !s.op.once: // it may refuse everything, so it does not decide
		for i := range s.places[1:] {
			s.places[1+i].closed = true
		}
		next = 0
	}
	to := s.places[next]
	s.at, s.request = next, &request{s.op, to.to, s.query}
	if to.last == nil {
		return failure, class, true
	}
	return to.last, to.class, false
}

// outage reports whether a failure means that a region's STS is down, and the request may be sent to another one.
func (s *series) outage(e *Error, class failureClass) bool {
	lost, ok := errors.AsType[*lostError](e.Err)
	switch {
	case ok && class == final: // a refused certificate is not an outage
		dns, ok := errors.AsType[*net.DNSError](lost)
		return ok && dns.IsNotFound
	case s.op.once:
		return ok && class == unused
	}
	return ok || e.StatusCode >= http.StatusInternalServerError && class != throttled && !e.Is(stschain.ErrPermanent)
}

// result returns the error of a call whose last attempt failed: that of Region, and what the other regions returned.
func (s *series) result(last *Error, class failureClass) *Error {
	if len(s.places) == 0 || s.places[0].last == nil || s.at > 0 && class == final && !s.places[s.at].closed {
		return last
	}
	if s.at > 0 {
		last = s.places[0].last
	}
	last = new(*last)
	last.Attempts = s.attempts
	for _, p := range s.places[1:] {
		switch {
		case p.last == nil:
		case last.Err == nil:
			last.Err = fmt.Errorf("fallback %s%s", p.to.url.Host, p.last.response())
		default:
			last.Err = fmt.Errorf("%w; fallback %s%s", last.Err, p.to.url.Host, p.last.response())
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
		return fmt.Sprintf("STS at %s failed%s; used %s", home.to.url.Host, home.last.response(), s.to.url.Host)
	})
}
