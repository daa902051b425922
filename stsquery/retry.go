package stsquery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Retry says how often a Client tries, and how long it waits in between.
//
// What is tried again, in every mode: throttling, HTTP 429, 500, 502, 503 and 504,
// timeouts and lost connections, RequestTimeout and IDPCommunicationError; a
// signature refused by a server whose clock is off by more than four minutes, with
// the date that it wants; and InvalidIdentityToken for AssumeRoleWithWebIdentity,
// since STS also says that when it cannot reach the identity provider's keys. A
// request with an MFA code is tried again only if the code cannot have been used,
// because a code works once: if the request was never sent, or was throttled, or
// its signature was refused for the date.
//
// What is rejected as expired is sent once more, with other credentials or another
// token if there are any. That is no retry: it waits for nothing, and MaxAttempts
// does not count it.
//
// A server that asks to wait, with x-amz-retry-after, gets up to 5 s over the
// client's own wait.
type Retry struct {
	Mode        RetryMode // zero: Standard
	MaxAttempts int       // 0: 3, in the Legacy mode 5. 1: never try again
}

// RetryMode is one of the modes that the AWS SDKs know.
type RetryMode int

const (
	// Standard is the standard mode as of 2026: three attempts; waits that double,
	// from 50 ms, or from 1 s where the server throttles, to at most 20 s, of which a
	// random part is waited; and a quota of retries for the client, 500 tokens, of
	// which one costs 14, or 5 where the server throttles, and which only success
	// refills.
	Standard RetryMode = iota

	// Adaptive is Standard, and all that the client sends, first attempts too, is
	// slowed down to what the server bears, once it has throttled. It is for a client
	// that asks a lot; the waiting is bounded by the caller's context alone.
	Adaptive

	// Legacy is the oldest mode of the AWS SDK for .NET: five attempts; waits of
	// 400 ms, four times as long after each retry, up to 30 s, and none of it random;
	// the quota is 500 tokens, and each retry costs 5.
	Legacy
)

// String returns the name that AWS_RETRY_MODE has for the mode.
func (m RetryMode) String() string {
	switch m {
	case Standard:
		return "standard"
	case Adaptive:
		return "adaptive"
	case Legacy:
		return "legacy"
	}
	return "RetryMode(" + strconv.Itoa(int(m)) + ")"
}

func (r Retry) maxAttempts() int {
	switch {
	case r.MaxAttempts != 0:
		return r.MaxAttempts
	case r.Mode == Legacy:
		return 5
	}
	return 3
}

// backoff is how the longest wait before a retry grows.
type backoff struct {
	first time.Duration
	times int // from one retry to the next
	most  time.Duration
}

var (
	transientBackoff  = backoff{50 * time.Millisecond, 2, 20 * time.Second}
	throttlingBackoff = backoff{time.Second, 2, 20 * time.Second}
	legacyBackoff     = backoff{400 * time.Millisecond, 4, 30 * time.Second}
)

// before is the longest wait before the n-th retry, from 0.
func (b backoff) before(n int) time.Duration {
	d := b.first
	for range n {
		if d >= b.most {
			break
		}
		d *= time.Duration(b.times)
	}
	return min(d, b.most)
}

const maxExtraDelay = 5 * time.Second // on top of the own delay, if the server asks for it

// delay is the wait before the n-th retry, from 0. Random is in [0, 1); asked is
// what the server asked for, 0 if nothing.
func (r Retry) delay(n int, class failureClass, random float64, asked time.Duration) time.Duration {
	var own time.Duration
	switch {
	case r.Mode == Legacy:
		own = legacyBackoff.before(n)
	case class == throttled:
		own = time.Duration(random * float64(throttlingBackoff.before(n)))
	default:
		own = time.Duration(random * float64(transientBackoff.before(n)))
	}
	if asked > 0 {
		return min(max(own, asked), own+maxExtraDelay)
	}
	return own
}

// cost is what a retry takes from the quota.
func (r Retry) cost(class failureClass) int {
	if r.Mode == Legacy || class == throttled {
		return 5
	}
	return 14
}

// failureClass says what a failure means for trying again.
type failureClass int

const (
	none      failureClass = iota // it did not fail
	final                         // do not try again
	transient                     // try again
	unused                        // the same, and the server did not even look at what was asked
	throttled                     // try again more slowly
)

// classify judges what went wrong on the way to the server and back.
func classify(op operation, e *Error) failureClass {
	switch {
	case throttling(e.Code):
		return throttled
	case transientCode(e.Code), op.retried != "" && baseCode(e.Code) == op.retried:
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

// throttling reports whether a code asks for fewer requests.
func throttling(code string) bool {
	switch code {
	case "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
		"RequestThrottled", "TooManyRequestsException", "ProvisionedThroughputExceededException",
		"TransactionInProgressException", "RequestLimitExceeded", "BandwidthLimitExceeded",
		"LimitExceededException", "SlowDown", "PriorRequestNotComplete", "EC2ThrottledException":
		return true
	}
	return false
}

func transientCode(code string) bool {
	code = baseCode(code)
	return code == "RequestTimeout" || code == "IDPCommunicationError"
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
	if op, ok := errors.AsType[*net.OpError](err); ok {
		switch op.Op {
		case "dial", "proxyconnect":
			return unused
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
	ms, err := strconv.ParseInt(h.Get("X-Amz-Retry-After"), 10, 64)
	if err != nil || ms < 0 || ms > math.MaxInt64/int64(time.Millisecond) {
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
