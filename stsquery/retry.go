package stsquery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Retry says how often a Client tries. The zero Retry follows the standard mode
// of the AWS SDKs as of 2026: three attempts; waits that double, from 50 ms, or
// from 1 s where the server throttles, to at most 20 s, of which a random part is
// waited; a quota of retries that only success refills; and the wait that a server
// asks for with x-amz-retry-after, up to 5 s over the own one.
//
// What is tried again: throttling, HTTP 429, 500, 502, 503 and 504, timeouts and
// lost connections, RequestTimeout and IDPCommunicationError. A request with an MFA
// code is tried again only if it was never sent or was throttled, because a code
// works once.
type Retry struct {
	MaxAttempts int // 0: 3. 1: never try again
}

func (r Retry) maxAttempts() int {
	if r.MaxAttempts == 0 {
		return 3
	}
	return r.MaxAttempts
}

const (
	transientBase  = 50 * time.Millisecond
	throttlingBase = time.Second
	maxDelay       = 20 * time.Second
	maxExtraDelay  = 5 * time.Second // on top of the own delay, if the server asks for it
)

// delay is the wait before the n-th retry, from 0. Random is in [0, 1); asked is
// what the server asked for, 0 if nothing.
func delay(n int, class failureClass, random float64, asked time.Duration) time.Duration {
	base := transientBase
	if class == throttled {
		base = throttlingBase
	}
	longest := maxDelay
	if n < 10 { // beyond that base<<n is past the longest anyway
		longest = min(base<<n, maxDelay)
	}
	own := time.Duration(random * float64(longest))
	if asked > 0 {
		return min(max(own, asked), own+maxExtraDelay)
	}
	return own
}

// failureClass says what a failure means for trying again.
type failureClass int

const (
	final     failureClass = iota // do not
	transient                     // try again
	unsent                        // the same, and the server never saw the request
	throttled                     // try again more slowly
)

// cost is what a retry takes from the quota.
func (c failureClass) cost() int {
	if c == throttled {
		return throttlingCost
	}
	return transientCost
}

// classify judges what went wrong on the way to the server and back.
func classify(e *Error) failureClass {
	switch e.Code {
	case "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
		"RequestThrottled", "TooManyRequestsException", "ProvisionedThroughputExceededException",
		"TransactionInProgressException", "RequestLimitExceeded", "BandwidthLimitExceeded",
		"LimitExceededException", "SlowDown", "PriorRequestNotComplete", "EC2ThrottledException":
		return throttled
	case "RequestTimeout", "RequestTimeoutException", "IDPCommunicationError", "IDPCommunicationErrorException":
		return transient
	}
	switch e.StatusCode {
	case http.StatusTooManyRequests:
		return throttled
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return transient
	}
	if lost, ok := errors.AsType[*lostError](e.Err); ok {
		return classifyLost(lost.err)
	}
	return final
}

// classifyLost judges an error of the transport. What is not known to be
// hopeless may be a passing trouble of the network.
func classifyLost(err error) failureClass {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return final
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return final
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return final
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		switch op.Op {
		case "dial", "proxyconnect":
			return unsent
		case "remote error", "local error": // a TLS alert
			return final
		}
	}
	return transient
}

// lostError is a request without a whole answer.
type lostError struct{ err error }

func (l *lostError) Error() string { return l.err.Error() }
func (l *lostError) Unwrap() error { return l.err }

// retryAfter reads how long a server asks to wait.
func retryAfter(h http.Header) time.Duration {
	ms, err := strconv.Atoi(h.Get("X-Amz-Retry-After"))
	if err != nil || ms < 0 || ms > int(time.Hour/time.Millisecond) {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

// ended tells that ctx is over, and why.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == nil || cause == err {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
