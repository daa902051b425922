package iot

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/keypair"
	"github.com/stschain-go/stschain/internal/wire"
)

// patience limits the calls of the service. With the default Timeout of a stschain.Cache, 30 s, Signer has the rest.
const patience = 15 * time.Second

// session requests credentials.
func (p *Provider) session(ctx context.Context, u *url.URL, k keypair.Pair) (creds stschain.Credentials, err error) {
	bounded, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("timed out after %v", patience))
	defer cancel()
	var presented atomic.Bool
	client, err := p.client(bounded, k, &presented)
	if err != nil {
		return stschain.Credentials{}, err
	}
	defer client.CloseIdleConnections()
	request := wire.Request{Method: http.MethodGet, Header: http.Header{}}
	if p.ThingName != "" {
		request.Header.Set("X-Amzn-Iot-Thingname", p.ThingName)
	}
	service := wire.Service{URL: u, HTTPClient: client, MaxAttempts: p.MaxAttempts, Now: p.now}
	err = service.Call(bounded, func() (wire.Request, error) { return request, nil }, func(got wire.Response) (err error) {
		if got.Status != http.StatusOK {
			return refuse(service, got)
		}
		if creds, err = parseSession(got.Body); err != nil {
			return fmt.Errorf("invalid response of %s: %w", u.Host, err)
		}
		creds.Expires = creds.Expires.Add(-p.ahead(got))
		creds.Origin = k.Origin(p.String())
		return nil
	})
	if err != nil {
		return stschain.Credentials{}, explain(err, k, presented.Load())
	}
	return creds, nil
}

// client returns a client that authenticates with a certificate. Each connection is used for one request, so none outlives
// the certificate.
func (p *Provider) client(ctx context.Context, k keypair.Pair, presented *atomic.Bool) (*http.Client, error) {
	client := wire.Client(p.HTTPClient, 0)
	if client.Transport == nil {
		client.Transport = http.DefaultTransport
	}
	given, ok := client.Transport.(*http.Transport)
	if !ok || given.DialTLSContext != nil {
		return nil, stschain.Permanent(errors.New("HTTPClient.Transport is not an *http.Transport, or it has DialTLSContext, so the certificate cannot be added: set RootCAs in its TLSClientConfig instead"))
	}
	t := given.Clone()
	t.DisableKeepAlives, t.DisableCompression = true, true
	t.ForceAttemptHTTP2, t.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{} // HTTP/1.1
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	certificate := tls.Certificate{PrivateKey: signer{p, ctx, k.Key}, Leaf: k.Leaf, Certificate: [][]byte{k.Leaf.Raw}}
	for _, issuer := range k.Issuers {
		certificate.Certificate = append(certificate.Certificate, issuer.Raw)
	}
	t.TLSClientConfig.Certificates = nil
	t.TLSClientConfig.NextProtos = nil
	// crypto/tls would send no certificate if the server listed other authorities.
	t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		presented.Store(true)
		return &certificate, nil
	}
	client.Transport = t
	return client, nil
}

// ahead is by how much the service's clock is ahead: 0 if the clocks may agree.
func (p *Provider) ahead(r wire.Response) time.Duration {
	measured, ok := wire.MeasureSkew(r.Header, r.Sent, r.Received)
	if !ok || p.DisableClockSkewCorrection {
		return 0
	}
	return measured.Expiry()
}

// parseSession reads a response. Its errors do not show it.
func parseSession(body []byte) (stschain.Credentials, error) {
	var doc struct {
		Credentials json.RawMessage `json:"credentials"`
	}
	if json.Unmarshal(body, &doc) != nil || len(doc.Credentials) == 0 {
		return stschain.Credentials{}, errors.New("not a JSON object with credentials")
	}
	creds, err := credjson.Complete(doc.Credentials, "sessionToken")
	switch {
	case err != nil:
		return stschain.Credentials{}, fmt.Errorf("invalid credentials: %w", err)
	case creds.Expires.IsZero():
		return stschain.Credentials{}, errors.New("the credentials have no expiration")
	}
	return creds, nil
}
