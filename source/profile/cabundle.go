package profile

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

const maxBundle = 8 << 20

// httpClient returns HTTPClient, which may be nil, or a copy that also trusts
// the certificates of a bundle if one is configured. A transport other than
// *http.Transport is not changed.
func (p *Provider) httpClient(bundle string) (*http.Client, error) {
	if bundle == "" {
		return p.HTTPClient, nil
	}
	client := wire.Client(p.HTTPClient, 10*time.Second)
	base, err := p.trusting(client.Transport, bundle)
	client.Transport = base
	return client, err
}

// RoundTripper returns the transport for requests of the program itself, such as those of a
// sigv4.Transport: that of HTTPClient, which also trusts the certificates of AWS_CA_BUNDLE
// or ca_bundle. It is nil if neither is set, which means http.DefaultTransport.
func (p *Provider) RoundTripper(ctx context.Context) (http.RoundTripper, error) {
	s, err := p.settings(ctx)
	if err != nil {
		return nil, err
	}
	var base http.RoundTripper
	if p.HTTPClient != nil {
		base = p.HTTPClient.Transport
	}
	if s.caBundle == "" {
		return base, nil
	}
	return p.trusting(base, s.caBundle)
}

// trusting returns a copy of base that also trusts the certificates of a bundle.
func (p *Provider) trusting(base http.RoundTripper, bundle string) (http.RoundTripper, error) {
	if base == nil {
		base = http.DefaultTransport
	}
	transport, ok := base.(*http.Transport)
	if !ok {
		return base, nil
	}
	transport = transport.Clone()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	roots := x509.NewCertPool()
	if given := transport.TLSClientConfig.RootCAs; given != nil {
		roots = given.Clone()
	}
	// A truncated bundle would trust only some of the servers.
	pem, _, err := system.ReadFile(p.Open, bundle, maxBundle)
	if err == nil && !roots.AppendCertsFromPEM(pem) {
		err = errors.New("no certificate in PEM found")
	}
	if err != nil {
		return nil, stschain.Permanent(fmt.Errorf("profile: ca_bundle %s: %w", bundle, err))
	}
	transport.TLSClientConfig.RootCAs = roots
	return transport, nil
}
