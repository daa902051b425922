package wire

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// Backoff is the wait before a retry of a request to a service of AWS.
type Backoff struct {
	First  time.Duration
	Factor int // from one retry to the next
	Most   time.Duration
	Fixed  bool // no jitter
}

// Standard returns the backoff of the standard retry mode of the AWS SDKs, as of 2026.
func Standard(throttled bool) Backoff {
	first := 50 * time.Millisecond
	if throttled {
		first = time.Second
	}
	return Backoff{first, 2, 20 * time.Second, false}
}

const maxExtraDelay = 5 * time.Second // beyond the client's backoff, if the server requests it

// Delay returns the wait before the n-th retry, from 0. random is in [0, 1); requested is the server's wait, or 0.
func (b Backoff) Delay(n int, random float64, requested time.Duration) time.Duration {
	own := b.First
	for range min(n, 16) { // beyond the longest wait, without an overflow
		own *= time.Duration(b.Factor)
	}
	own = min(own, b.Most)
	if !b.Fixed {
		own = time.Duration(random * float64(own))
	}
	return max(own, min(requested, own+maxExtraDelay))
}

// RetryAfter returns the wait that a service of AWS requests in x-amz-retry-after, or 0.
func RetryAfter(h http.Header) time.Duration {
	wait := h.Get("X-Amz-Retry-After")
	if wait == "" { // as nearly always, and creating an error would cost the most
		return 0
	}
	ms, err := strconv.ParseInt(wait, 10, 64)
	if err != nil || ms < 0 || ms > math.MaxInt64/int64(time.Millisecond) {
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}
