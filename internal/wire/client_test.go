package wire_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/internal/wire"
)

// What carries a secret goes to one host.
func TestNoRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	srv := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer srv.Close()

	given := &http.Client{Timeout: time.Minute}
	for name, client := range map[string]*http.Client{"own": wire.Client(nil, time.Second), "given": wire.Client(given, time.Second)} {
		resp, err := client.Post(srv.URL, "text/plain", nil)
		require.NoError(t, err, name)
		resp.Body.Close()
		require.Equal(t, http.StatusTemporaryRedirect, resp.StatusCode, name)
	}
	require.Nil(t, given.CheckRedirect, "the caller's client is not changed")
	require.Equal(t, time.Minute, wire.Client(given, time.Second).Timeout)
}

func TestOldTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(nil)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	srv.StartTLS()
	defer srv.Close()
	_, err := wire.Client(nil, time.Second).Get(srv.URL)
	require.ErrorContains(t, err, "protocol version")
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.8.9.10": true, "::1": true, "::ffff:127.0.0.1": true, "localhost": true, "LocalHost": true,
		"": false, "0.0.0.0": false, "10.0.0.1": false, "::": false, "localhost.example.com": false, "127.0.0.1.example.com": false, "2130706433": false,
	} {
		require.Equal(t, want, wire.IsLoopback(host), host)
	}
}

func TestCause(t *testing.T) {
	const secret = "hunter4711/canary"
	reset := errors.New("connection reset")
	of := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://sts.example/?token=" + secret, Err: err}
	}
	for name, test := range map[string]struct {
		err  error
		want string
		is   error
	}{
		"plain":          {reset, "connection reset", reset},
		"with a URL":     {of(reset), "connection reset", reset},
		"two URLs":       {of(fmt.Errorf("proxy: %w", of(reset))), "connection reset", reset},
		"a secret":       {of(errors.New("cannot send " + secret)), "its error is not shown", nil},
		"in a form":      {of(errors.New("cannot send " + url.QueryEscape(secret))), "its error is not shown", nil},
		"EOF":            {of(io.EOF), "EOF", io.EOF},
		"bound exceeded": {of(context.DeadlineExceeded), "context deadline exceeded", context.DeadlineExceeded},
	} {
		err := wire.Cause(t.Context(), test.err, stschain.NewSecret(secret), stschain.Secret{})
		require.ErrorContains(t, err, test.want, name)
		if test.is != nil {
			require.ErrorIs(t, err, test.is, name)
		}
		canary.Check(t, secret, err)
	}

	// A caller that gave up gets that error, and why.
	left := errors.New("the user closed the tab")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(left)
	err := wire.Cause(ctx, of(reset), stschain.NewSecret(secret))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, left)
	done, stop := context.WithCancel(t.Context())
	stop()
	require.Equal(t, context.Canceled, wire.Cause(done, reset))
}
