package stsquery

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/sigv4"
)

// Input is the input of an operation: one of the types of this package whose names end in Input.
type Input interface {
	operation() operation
	check(*rules)
	encode(*query)
}

// operation describes an operation to the client.
type operation struct {
	_ [0]func() // nothing compares it, so no code for that is needed

	name     string
	unsigned bool   // Credentials are never used
	once     bool   // the input has an MFA code, which works once
	retried  string // a code, without "Exception", that this operation also returns for transient faults
	regional bool   // the result depends on the region
}

// request is an input that was checked and encoded for an endpoint.
type request struct {
	op    operation
	to    *endpoint
	rules rules // that the input was checked by
	query query
}

// do calls an operation and returns its output, a pointer: the instances of pointers share their code.
func do[Out output](ctx context.Context, c *Client, in Input, out Out) (Out, error) {
	if err := c.call(ctx, in, out); err != nil {
		var none Out
		return none, err
	}
	return out, nil
}

// call checks a request, sends it until a response is final, and decodes that into out.
func (c *Client) call(ctx context.Context, in Input, out output) error {
	c.setUp()
	req, err := c.prepare(in, c.home, c.homeErr)
	if err != nil {
		return &Error{Operation: in.operation().name, Err: err}
	}
	s := series{Client: c, in: in, request: req}
	if !req.op.regional {
		s.places = append(s.places, c.places...)
	}
	var failure *Error // of the last attempt
	var class failureClass
	if _, err := s.renew(ctx); err != nil {
		return s.gaveUp(failure, err)
	}
	for {
		if err := s.admit(ctx); err != nil {
			return s.gaveUp(s.result(failure, class), err)
		}
		failure, class = s.attempt(ctx, s.attempts+1, s.request, s.creds, out)
		s.learn(class)
		if failure == nil {
			s.note(ctx)
			return nil
		}
		s.attempts++
		var again bool
		var err error
		if failure, class, again = s.move(ctx, failure, class); again {
			_, err = s.renew(ctx)
		} else {
			again, err = s.again(ctx, failure, class)
		}
		if err != nil {
			return s.gaveUp(s.result(failure, class), err)
		}
		if !again {
			return s.result(failure, class)
		}
	}
}

// series is the attempts of one call.
type series struct {
	*Client
	in       Input
	*request                      // of the next or the last attempt
	creds    stschain.Credentials // of the same attempt
	attempts int                  // failed so far
	retries  int                  // how many of these were retries
	paid     int                  // for the last retry
	replayed bool                 // with other credentials or another token, which is not a retry
	places   []place              // Region's and FallbackRegions; nil: no fallback
	at       int                  // the place of request
}

// renew encodes the request again if a part of it is read for each attempt, and reports whether it changed.
func (s *series) renew(ctx context.Context) (changed bool, err error) {
	r, ok := s.in.(renewing)
	if !ok {
		return false, nil
	}
	in, err := r.renew(ctx)
	if err != nil {
		return false, err
	}
	next, err := s.prepare(in, s.to, nil)
	if err != nil {
		return false, err
	}
	changed = !bytes.Equal(next.query.form, s.query.form)
	s.request = next
	return changed, nil
}

// admit waits until the next attempt may be made, and gets credentials for it.
func (s *series) admit(ctx context.Context) (err error) {
	if s.Retry.Mode == Adaptive {
		if err := system.Sleep(ctx, s.limiter.take(time.Now())); err != nil {
			s.limiter.give()
			return err
		}
	}
	s.creds, err = s.credentials(ctx, s.op)
	return err
}

// learn records the result of an attempt.
func (s *series) learn(class failureClass) {
	if s.Retry.Mode == Adaptive {
		s.limiter.learn(time.Now(), class == throttled)
	}
	if class == none {
		s.quota.give(max(s.paid, 1))
	}
}

// again reports whether to make another attempt, and waits for it. Its error is that of a caller that
// gave up, or of a request that could not be renewed.
func (s *series) again(ctx context.Context, failure *Error, class failureClass) (bool, error) {
	if class == final && sigv4.RejectsToken(failure.Code, failure.Message) {
		return s.replay(ctx)
	}
	b := s.Retry.backoff(class)
	switch {
	case class == final, class == elsewhere, s.op.once && (class == transient || class == down):
		return false, nil
	case s.retries+1 >= s.Retry.maxAttempts(), !s.quota.take(b.cost):
		return false, nil
	}
	s.paid = b.cost
	if err := system.Sleep(ctx, b.Delay(s.retries, rand.Float64(), failure.RetryAfter)); err != nil {
		s.quota.give(s.paid) // for a retry that is not made
		return false, err
	}
	s.retries++
	_, err := s.renew(ctx)
	return true, err
}

// replay reports whether other credentials, or another token, are available
// after the previous ones were rejected as expired.
func (s *series) replay(ctx context.Context) (bool, error) {
	if !s.op.unsigned {
		s.Cache().Invalidate(s.creds)
	}
	if s.replayed || s.op.once {
		return false, nil
	}
	s.replayed = true
	if s.op.unsigned {
		return s.renew(ctx)
	}
	creds, err := s.Cache().Retrieve(ctx)
	return err == nil && (creds.AccessKeyID != s.creds.AccessKeyID ||
		creds.SecretAccessKey != s.creds.SecretAccessKey || creds.SessionToken != s.creds.SessionToken), nil
}

// gaveUp adds why no attempt, or no further one, was made to the failure of the last attempt, if there was one.
func (s *series) gaveUp(failure *Error, err error) *Error {
	if failure == nil {
		return &Error{Operation: s.op.name, Endpoint: s.to.url.Host, Err: err}
	}
	return failure.with("gave up before the next attempt", err)
}

// with returns the error with what happened after it. The trace has the one without.
func (e *Error) with(what string, err error) *Error {
	e = new(*e)
	err = fmt.Errorf("%s: %w", what, err)
	if e.Err != nil {
		err = fmt.Errorf("%w; %w", e.Err, err)
	}
	e.Err = err
	return e
}

// prepare checks the client and a request, and encodes the request for an endpoint; err is why there is none.
func (c *Client) prepare(in Input, to *endpoint, err error) (*request, error) {
	op := in.operation()
	if err := c.check(op); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	if !op.unsigned && to.signingRegion == "" && to.regionSet == nil {
		return nil, invalidf("Client.Region is missing, and requests are signed for a region: set it or Client.SigningRegion")
	}
	req := &request{op: op, to: to}
	req.rules = rules{aws: to.aws, global: strings.EqualFold(to.url.Host, globalHost)}
	in.check(&req.rules)
	if err := req.rules.err(); err != nil {
		return nil, err
	}
	req.query = newQuery(op.name)
	in.encode(&req.query)
	return req, nil
}

// credentials returns the credentials that sign the next attempt.
func (c *Client) credentials(ctx context.Context, op operation) (stschain.Credentials, error) {
	if op.unsigned {
		return stschain.Credentials{}, nil
	}
	base := c.Cache()
	ctx, end := stschain.Step{Provider: base}.Start(ctx)
	creds, err := base.Retrieve(ctx)
	end(creds, err)
	if err != nil {
		// Wrapped, so that a chain does not mistake the base's Unavailable error for one of the call.
		return stschain.Credentials{}, fmt.Errorf("no credentials to sign with: %w", err)
	}
	return creds, nil
}
