package profile

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

const maxBundle = 8 << 20

// httpClient is the one that was given, or nil, made to trust the certificates of a bundle
// if one is named. A transport that is not the standard library's decides itself whom
// it trusts.
func (p *Provider) httpClient(bundle string) (*http.Client, error) {
	if bundle == "" {
		return p.HTTPClient, nil
	}
	client := wire.Client(p.HTTPClient, 10*time.Second)
	base, err := p.trusting(client.Transport, bundle)
	if err != nil {
		return nil, err
	}
	client.Transport = base
	return client, nil
}

// RoundTripper returns what requests of the program's own go through, such as those of a
// sigv4.Transport: that of HTTPClient, made to trust the certificates of AWS_CA_BUNDLE or ca_bundle. It is nil if nothing
// is set, which stands for http.DefaultTransport.
func (p *Provider) RoundTripper(ctx context.Context) (http.RoundTripper, error) {
	s, err := p.Settings(ctx)
	if err != nil {
		return nil, err
	}
	var base http.RoundTripper
	if p.HTTPClient != nil {
		base = p.HTTPClient.Transport
	}
	if s.CABundle == "" {
		return base, nil
	}
	return p.trusting(base, s.CABundle)
}

// trusting is a transport that trusts the certificates of a bundle too.
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
	if err := p.addBundle(roots, bundle); err != nil {
		return nil, err
	}
	transport.TLSClientConfig.RootCAs = roots
	return transport, nil
}

func (p *Provider) addBundle(roots *x509.CertPool, path string) error {
	open := p.Open
	if open == nil {
		open = openBundle
	}
	f, err := open(path)
	if err != nil {
		return fmt.Errorf("profile: ca_bundle %s: %w", path, reason(err))
	}
	defer f.Close()
	pem, err := io.ReadAll(io.LimitReader(f, maxBundle+1))
	switch {
	case err != nil:
		return fmt.Errorf("profile: ca_bundle %s: %w", path, reason(err))
	case len(pem) > maxBundle: // half of it would trust half of the servers
		return stschain.Permanent(fmt.Errorf("profile: ca_bundle %s: it is larger than 8 MiB", path))
	case !roots.AppendCertsFromPEM(pem):
		return stschain.Permanent(fmt.Errorf("profile: ca_bundle %s: it holds no certificate in PEM", path))
	}
	return nil
}

// openBundle does not open pipes and devices, which could make us wait.
func openBundle(path string) (fs.File, error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return nil, errIrregular
	}
	return os.Open(path)
}
