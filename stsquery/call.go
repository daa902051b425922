package stsquery

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/hide"
)

// Input is what an operation is asked with: one of the types of this package
// that are called so.
type Input interface {
	operation() operation
	check(*rules)
	encode(*query)
}

// operation is what the client has to know of one.
type operation struct {
	name     string
	unsigned bool // Credentials are never touched
	once     bool // holds an MFA code, which works once
}

// decoder takes a result into an output.
type decoder func(result *element, requestID string) error

// call checks a request, sends it until there is an answer that counts, and
// has that decoded.
func (c *Client) call(ctx context.Context, in Input, decode decoder) error {
	op := in.operation()
	to, form, err := c.prepare(in, "")
	if err != nil {
		return &Error{Operation: op.name, Err: err}
	}
	var (
		retries  int  // made so far
		paid     int  // for the last one
		replayed bool // with other credentials, which is no retry
	)
	for attempts := 1; ; attempts++ {
		creds, err := c.credentials(ctx, op)
		if err != nil {
			return &Error{Operation: op.name, Endpoint: to.url.Host, Attempts: attempts - 1, Err: err}
		}
		failure := c.attempt(ctx, op, to, form, creds, decode)
		if failure == nil {
			c.quota.give(max(paid, firstTryReward))
			return nil
		}
		failure.Operation, failure.Endpoint, failure.Attempts = op.name, to.url.Host, attempts

		if !op.unsigned && rejected(failure.Code) {
			c.cache().Invalidate(creds)
			if replayed || op.once || !c.holdsOthers(ctx, creds) {
				return failure
			}
			replayed = true
			continue
		}
		class := classify(failure)
		switch {
		case class == final, class == transient && op.once:
			return failure
		case retries+1 >= c.Retry.maxAttempts(), !c.quota.take(class.cost()):
			return failure
		}
		paid = class.cost()
		if err := pause(ctx, delay(retries, class, rand.Float64(), failure.RetryAfter)); err != nil {
			failure.Err = gaveUp(err, failure.Err)
			return failure
		}
		retries++
	}
}

// gaveUp tells that the caller left during the wait for the next attempt.
func gaveUp(err, last error) error {
	if last == nil {
		return fmt.Errorf("gave up before the next attempt: %w", err)
	}
	return fmt.Errorf("%w; gave up before the next attempt: %w", last, err)
}

// prepare checks the client and a request, and encodes the request for the
// endpoint of a region; "" is the client's own.
func (c *Client) prepare(in Input, region string) (endpoint, *query, error) {
	if c == nil {
		return endpoint{}, nil, invalid("the Client is nil")
	}
	c.setUp()
	op := in.operation()
	if err := c.check(op); err != nil {
		return endpoint{}, nil, err
	}
	to, err := c.home, c.homeErr
	if region != "" {
		to, err = c.resolve(region)
	}
	if err != nil {
		return endpoint{}, nil, err
	}
	if !op.unsigned && to.signingRegion == "" {
		return endpoint{}, nil, invalid("Client.Region is missing, which the signature is for: set it or Client.SigningRegion")
	}
	r := rules{aws: to.aws}
	in.check(&r)
	if err := r.err(); err != nil {
		return endpoint{}, nil, err
	}
	q := newQuery(op.name)
	in.encode(q)
	return to, q, nil
}

// credentials are what the next attempt is signed with.
func (c *Client) credentials(ctx context.Context, op operation) (stschain.Credentials, error) {
	if op.unsigned {
		return stschain.Credentials{}, nil
	}
	creds, err := c.cache().Retrieve(ctx)
	if err != nil {
		// A call whose base has no keys is a failed call, not an absent one.
		return stschain.Credentials{}, fmt.Errorf("no credentials to sign with: %w", hide.Sentinel(err, stschain.ErrUnavailable))
	}
	return creds, nil
}

// holdsOthers reports whether, now that some were rejected, there are other
// credentials.
func (c *Client) holdsOthers(ctx context.Context, rejected stschain.Credentials) bool {
	creds, err := c.cache().Retrieve(ctx)
	return err == nil && (creds.AccessKeyID != rejected.AccessKeyID ||
		creds.SecretAccessKey != rejected.SecretAccessKey || creds.SessionToken != rejected.SessionToken)
}
