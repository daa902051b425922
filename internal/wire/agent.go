package wire

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
	"github.com/stschain-go/stschain/internal/system"
)

// Dial opens a connection.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// DirectClient returns a copy of given, or a new client, that uses no proxy: agents are local. guard
// wraps its dialer; nil: no wrapper. guarded reports whether guard is used: the dialer of a
// RoundTripper other than *http.Transport is not accessible. Each request has its own timeout.
func DirectClient(given *http.Client, guard func(Dial) Dial) (client *http.Client, guarded bool) {
	client = Client(given, 0)
	if client.Transport == nil {
		client.Transport = Client(nil, 0).Transport
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

// Request is a request to an agent or a service.
type Request struct {
	Method  string
	URL     string
	Header  http.Header
	Body    stschain.Secret
	Timeout time.Duration     // for the whole exchange
	Secrets []stschain.Secret // that it contains, never shown in an error
}

// Response is the response to it.
type Response struct {
	Status int
	Header http.Header
	Body   []byte // at most MaxBody bytes

	Sent, Received time.Time // set by Service.Call
}

// MaxBody is the largest response body, in bytes.
const MaxBody = 64 << 10

// NoResponse is the error of a request without a response. It is not used if the caller gave up.
type NoResponse struct {
	Connected bool // a server accepted the connection
	TimedOut  bool
	Err       error
}

func (n *NoResponse) Error() string { return "no response: " + n.Err.Error() }
func (n *NoResponse) Unwrap() error { return n.Err }

// ErrTooLarge is the error of a response whose body exceeds MaxBody.
var ErrTooLarge = fmt.Errorf("response body exceeds %d bytes", MaxBody)

// Send sends a request once.
func Send(ctx context.Context, client *http.Client, r Request) (Response, error) {
	bounded, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(bounded, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	failed := func(err error) (Response, error) {
		timedOut := bounded.Err() != nil
		if n, ok := err.(net.Error); ok { // a *url.Error, or one of the body
			timedOut = timedOut || n.Timeout()
		}
		err = Cause(ctx, err, r.Secrets...)
		switch {
		case ctx.Err() != nil:
			return Response{}, err
		case bounded.Err() != nil:
			err = fmt.Errorf("waited %v: %w", r.Timeout, context.DeadlineExceeded)
		}
		return Response{}, &NoResponse{Connected: connected.Load(), TimedOut: timedOut, Err: err}
	}
	req, err := http.NewRequestWithContext(traced, r.Method, r.URL, strings.NewReader(r.Body.Reveal()))
	if err != nil {
		return Response{}, errors.New("the URL is not valid")
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
		return Response{}, ErrTooLarge
	}
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// Retryable reports whether a request with this response status may succeed if it is sent again.
func Retryable(status int) bool {
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

// Retry makes at most the given number of attempts, as long as an attempt reports that another may help.
// The pause between them doubles each time, and half of it is random.
func Retry(ctx context.Context, attempts int, pause time.Duration, attempt func() (again bool, err error)) error {
	for n := 1; ; n, pause = n+1, 2*pause {
		again, err := attempt()
		if err == nil || !again || n >= attempts {
			return err
		}
		if err := system.Sleep(ctx, pause/2+rand.N(pause/2+1)); err != nil {
			return err
		}
	}
}

// AgentAddresses are the addresses other than loopback to which plain http is allowed: of ECS, and of EKS
// Pod Identity by IPv4 and IPv6.
func AgentAddresses() []netip.Addr {
	return []netip.Addr{
		netip.AddrFrom4([4]byte{169, 254, 170, 2}),
		netip.AddrFrom4([4]byte{169, 254, 170, 23}),
		netip.AddrFrom16([16]byte{0: 0xfd, 2: 0x0e, 3: 0xc2, 15: 0x23}),
	}
}
