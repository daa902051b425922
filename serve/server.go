package serve

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// NewToken returns a new random token for a [Handler]: 240 bits, in letters, digits, - and _.
func NewToken() stschain.Secret {
	var b [30]byte
	rand.Read(b[:]) // never fails
	return stschain.NewSecret(base64.RawURLEncoding.EncodeToString(b[:]))
}

// Listen listens at an address that only this machine can reach, such as
// "127.0.0.1:8080"; "" is a free port on 127.0.0.1, see the listener's Addr. It
// refuses every address except loopback and those of the agents, which may be
// assigned to this machine.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("serve: %q is not an address such as 127.0.0.1:8080", address)
	}
	addr, err := netip.ParseAddr(host)
	if !wire.IsLoopback(host) && (err != nil || !slices.Contains(wire.AgentAddresses(), addr)) {
		return nil, fmt.Errorf("serve: %q is not a loopback address, and other machines must not reach credentials: use 127.0.0.1:%s", address, port)
	}
	if err != nil { // localhost, regardless of what it resolves to
		address = net.JoinHostPort("127.0.0.1", port)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	return l, nil
}

// Limits on clients.
const (
	readTimeout    = 5 * time.Second
	maxHeaderBytes = 32 << 10 // tokens are shorter
	grace          = 5 * time.Second
)

// Serve serves h, a [Handler] or an http.ServeMux of several, at l until ctx is
// done. Then it cancels the requests that wait, and returns nil when all have
// ended, after 5 s at the latest. It closes l. Requests are bounded in time and
// size, and each connection is for one request.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	if l == nil || h == nil {
		return errors.New("serve: Serve needs a listener and a handler")
	}
	defer l.Close()
	if one, ok := h.(*Handler); ok {
		if err := one.check(); err != nil {
			return fmt.Errorf("serve: %w", err)
		}
	}
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout, // writing needs no timeout: responses of a Handler fit into the buffer of a connection
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	srv.SetKeepAlivesEnabled(false)
	defer srv.Close()
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	srv.Shutdown(bounded) // and closes it afterwards
	<-ended
	return nil
}
