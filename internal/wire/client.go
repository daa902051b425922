package wire

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
)

// Client returns a copy of given, or if that is nil a new client with timeouts, TLS 1.2 or later and the
// proxies of the environment. It follows no redirect: a request with a secret is meant for one host.
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

// IsLoopback reports whether a host is this machine, where plain http does not disclose secrets.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback() || strings.ToLower(host) == "localhost" // EqualFold would accept ſ for s
}

// Cause returns why there is no response to a request: the caller gave up, or err as [redact.Error] returns it.
func Cause(caller context.Context, err error, secrets ...stschain.Secret) error {
	if ended := system.ContextErr(caller); ended != nil {
		return ended
	}
	return redact.Error(err, secrets)
}
