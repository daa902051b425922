// Package outbound makes HTTP clients for requests that carry secrets, and tells
// how such requests failed without showing what they carried.
package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
)

// Client returns a copy of given, or a new client with bounded times, TLS 1.2 or
// later and the proxies of the environment if that is nil; either way one that
// follows no redirect: what carries a secret is meant for one host.
func Client(given *http.Client, timeout time.Duration) *http.Client {
	client := http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           8,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}}
	if given != nil {
		client = *given
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// Loopback reports whether a host is this machine, where plain http shows secrets
// to nobody.
func Loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback() || strings.ToLower(host) == "localhost" // EqualFold has an ſ for an s
}

// Cause tells why there is no answer: that the caller left, or err without the URL
// that an http.Client puts around it. An error that shows one of the secrets, as
// it is or as a form has it, is not passed on.
func Cause(caller context.Context, err error, secrets ...stschain.Secret) error {
	if ended := caller.Err(); ended != nil {
		if cause := context.Cause(caller); cause != ended {
			return fmt.Errorf("%w: %w", ended, cause)
		}
		return ended
	}
	for {
		u, ok := errors.AsType[*url.Error](err)
		if !ok {
			break
		}
		err = u.Err
	}
	text := err.Error()
	for _, s := range secrets {
		if secret := s.Reveal(); secret != "" && (strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret))) {
			return errors.New("the transport failed, and its error is not shown, since it holds what was sent")
		}
	}
	return err
}
