// Package agent calls the services that return credentials: the metadata service of an instance and
// the agent of a container, which are local and called without a proxy, and the services that a user
// signed in to. It follows no redirect, and each wait has a limit. A [TokenCache] keeps the token that
// such a service requires.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/outbound"
)

// Dial opens a connection.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Client is a copy of given, or a new client, that goes through no proxy. Guard
// wraps how it dials; nil: as it is. Guarded tells whether guard is in force: how a
// RoundTripper of another kind than *http.Transport dials, if it does, cannot be
// reached. Each question has its own bound on time.
func Client(given *http.Client, guard func(Dial) Dial) (client *http.Client, guarded bool) {
	client = outbound.Client(given, 0)
	if client.Transport == nil {
		client.Transport = outbound.Client(nil, 0).Transport
	}
	client.Jar = nil
	t, ok := client.Transport.(*http.Transport)
	if !ok {
		return client, false
	}
	t = t.Clone()
	t.Proxy = nil
	t.DisableCompression = true
	if guard != nil {
		dial := t.DialContext
		if dial == nil {
			dial = (&net.Dialer{Timeout: 3 * time.Second}).DialContext
		}
		t.DialContext = guard(dial)
	}
	client.Transport = t
	return client, true
}

// Request is one question.
type Request struct {
	Method  string
	URL     string
	Header  http.Header
	Body    stschain.Secret
	Timeout time.Duration     // on the whole exchange
	Secrets []stschain.Secret // what it holds, never shown
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // at most MaxBody bytes
}

// MaxBody bounds an answer, in bytes.
const MaxBody = 64 << 10

// NoAnswer is the error if none came back. It is not about the caller leaving.
type NoAnswer struct {
	Connected bool // somebody was reached
	TimedOut  bool
	Err       error
}

func (n *NoAnswer) Error() string { return "no answer: " + n.Err.Error() }
func (n *NoAnswer) Unwrap() error { return n.Err }

// ErrTooLong is the error if the body is longer than MaxBody.
var ErrTooLong = fmt.Errorf("answered with more than %d bytes", MaxBody)

// Ask asks once.
func Ask(ctx context.Context, client *http.Client, r Request) (Answer, error) {
	bounded, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(bounded, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	failed := func(err error) (Answer, error) {
		timedOut := bounded.Err() != nil
		if n, ok := errors.AsType[net.Error](err); ok {
			timedOut = timedOut || n.Timeout()
		}
		err = outbound.Cause(ctx, err, r.Secrets...)
		switch {
		case ctx.Err() != nil:
			return Answer{}, err
		case bounded.Err() != nil:
			err = fmt.Errorf("waited %v: %w", r.Timeout, context.DeadlineExceeded)
		}
		return Answer{}, &NoAnswer{Connected: connected.Load(), TimedOut: timedOut, Err: err}
	}
	req, err := http.NewRequestWithContext(traced, r.Method, r.URL, strings.NewReader(r.Body.Reveal()))
	if err != nil {
		return Answer{}, errors.New("the URL is none that can be asked")
	}
	req.Header = r.Header.Clone()
	req.Header.Set("User-Agent", "stschain")
	resp, err := client.Do(req)
	if err != nil {
		return failed(err)
	}
	connected.Store(true)
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	switch {
	case err != nil:
		return failed(err)
	case len(body) > MaxBody:
		return Answer{}, ErrTooLong
	}
	return Answer{resp.StatusCode, resp.Header, body}, nil
}

// Mends reports whether a status may be another one soon.
func Mends(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500
}

// Throttled marks err as [stschain.ErrThrottled] if status is 429, and keeps its text.
func Throttled(status int, err error) error {
	if status != http.StatusTooManyRequests {
		return err
	}
	return &throttledError{err}
}

type throttledError struct{ cause error }

func (e *throttledError) Error() string        { return e.cause.Error() }
func (e *throttledError) Is(target error) bool { return target == stschain.ErrThrottled }
func (e *throttledError) Unwrap() error        { return e.cause }

// Retry tries at most so many times while that may help, with pauses that double,
// about half of each at random.
func Retry(ctx context.Context, tries int, pause time.Duration, try func() (again bool, err error)) error {
	for n := 1; ; n, pause = n+1, 2*pause {
		again, err := try()
		if err == nil || !again || n >= tries {
			return err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return outbound.Cause(ctx, err)
		}
	}
}

// Addresses are those beside loopback where agents are spoken to by plain http: that of ECS,
// and those of EKS Pod Identity by IPv4 and IPv6.
func Addresses() []netip.Addr {
	return []netip.Addr{
		netip.AddrFrom4([4]byte{169, 254, 170, 2}),
		netip.AddrFrom4([4]byte{169, 254, 170, 23}),
		netip.AddrFrom16([16]byte{0: 0xfd, 2: 0x0e, 3: 0xc2, 15: 0x23}),
	}
}
