package stsquery

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/stschain-go/stschain/internal/wire"
)

// Retry sets how often a Client sends a request, and how long it waits in between.
//
// Every mode retries throttling, HTTP 429, 500, 502, 503 and 504, timeouts and lost connections,
// RequestTimeout and IDPCommunicationError; a signature refused by a server whose clock is off by more
// than four minutes, with the date of that clock; and InvalidIdentityToken for
// AssumeRoleWithWebIdentity, since STS also returns it when it cannot fetch the identity provider's keys.
// A request with an MFA code is retried only if the code cannot have been used, because a code works
// once: if the request was never sent, was throttled, or its signature was refused for the date.
//
// A request whose credentials or token were rejected as expired is sent once
// more if others are available. That is not a retry: it does not wait, and
// MaxAttempts does not count it.
//
// The first request to each of Client.FallbackRegions is not a retry either.
//
// If a server requests a wait (x-amz-retry-after), the client waits up to 5 s longer than its own backoff.
type Retry struct {
	Mode        RetryMode // zero: Standard
	MaxAttempts int       // 0: 3, in the Legacy mode 5. 1: no retries
}

// RetryMode is one of the retry modes of the AWS SDKs.
type RetryMode int

const (
	// Standard is the standard mode as of 2026, which other SDKs may call retry
	// behavior 2.1 or enable with AWS_NEW_RETRIES_2026: three attempts; waits that
	// double, from 50 ms (1 s if the server throttles) to at most 20 s, with
	// full jitter; and a retry quota for the client: 500 tokens, of which a
	// retry costs 14 (5 if the server throttles), and which only a success
	// refills.
	Standard RetryMode = iota

	// Adaptive is Standard, and once the server has throttled, all requests of the
	// client, first attempts too, are limited to the rate that the server accepts. It
	// is for a client with many calls; only the caller's context bounds the wait.
	Adaptive

	// Legacy is the oldest mode of the AWS SDK for .NET: five attempts; waits of
	// 400 ms, four times as long after each retry, up to 30 s, without jitter;
	// the quota is 500 tokens, and a retry costs 5.
	Legacy
)

var modeNames = [...]string{Standard: "standard", Adaptive: "adaptive", Legacy: "legacy"}

func (m RetryMode) known() bool { return m >= 0 && int(m) < len(modeNames) }

// String returns the name of the mode in AWS_RETRY_MODE.
func (m RetryMode) String() string {
	if !m.known() {
		return "RetryMode(" + strconv.Itoa(int(m)) + ")"
	}
	return modeNames[m]
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

// backoff is the wait before a retry, and its price.
type backoff struct {
	wire.Backoff
	cost int // tokens of the quota
}

func (r Retry) backoff(class failureClass) backoff {
	switch {
	case r.Mode == Legacy:
		return backoff{wire.Backoff{First: 400 * time.Millisecond, Factor: 4, Most: 30 * time.Second, Fixed: true}, 5}
	case class == throttled:
		return backoff{wire.Standard(true), 5}
	}
	return backoff{wire.Standard(false), 14}
}

// quota keeps a client from doubling the load of a server that is down: each retry takes tokens, and
// only success returns them. The zero quota is full.
type quota struct {
	mu    sync.Mutex
	spent int
}

const quotaSize = 500 // tokens

// take takes n tokens, or none if there are fewer.
func (q *quota) take(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.spent+n > quotaSize {
		return false
	}
	q.spent += n
	return true
}

// give returns n tokens.
func (q *quota) give(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spent = max(q.spent-n, 0)
}

// failureClass says whether a failed request may be retried.
type failureClass int

const (
	none      failureClass = iota // it did not fail
	final                         // not retryable
	elsewhere                     // not retryable in this region: its host has no address, or HTTP 5xx that is not retryable
	transient                     // retryable
	unused                        // retryable, and the server did not process the request
	throttled                     // retryable, more slowly
	down                          // retryable: no complete response, or HTTP 5xx
	unsent                        // retryable: no connection
)

// classify returns the class of a failed request.
func classify(op operation, e *Error) failureClass {
	code := baseCode(e.Code)
	switch {
	case slices.Contains(throttlingCodes, e.Code):
		return throttled
	case code == "RequestTimeout", code == "IDPCommunicationError", code != "" && code == op.retried:
		return transient
	}
	switch e.StatusCode {
	case http.StatusTooManyRequests:
		return throttled
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return down
	}
	if e.StatusCode >= http.StatusInternalServerError {
		return elsewhere
	}
	if lost, ok := errors.AsType[*lostError](e.Err); ok {
		return classifyLost(lost.err)
	}
	return final
}

// throttlingCodes are the codes that request a lower rate. Source: the AWS SDKs.
var throttlingCodes = []string{
	"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
	"RequestThrottled", "TooManyRequestsException", "ProvisionedThroughputExceededException",
	"TransactionInProgressException", "RequestLimitExceeded", "BandwidthLimitExceeded",
	"LimitExceededException", "SlowDown", "PriorRequestNotComplete", "EC2ThrottledException",
}

// classifyLost returns the class of a transport error. An unknown one may be a transient network fault.
func classifyLost(err error) failureClass {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return elsewhere
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
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
	return down
}

// lostError is the error of a request without a complete response.
type lostError struct{ err error }

func (l *lostError) Error() string { return l.err.Error() }
func (l *lostError) Unwrap() error { return l.err }
