package iot_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/pki"
	"github.com/stschain-go/stschain/source/iot"
	"github.com/stschain-go/stschain/ststest"
)

const (
	endpoint = "c2a1b3.credentials.iot.eu-west-1.amazonaws.com"
	roleARN  = "arn:aws:iam::123456789012:role/camera"
	password = "canary-4711-password"
	origin   = "iot camera-upload (certificate expires at 2026-12-31T12:00:00Z)"
)

// world is a device with a certificate, and the credentials provider.
type world struct {
	*iot.Provider
	server                *ststest.Server
	clock                 *clock.Mock
	root, intermediate    pki.Authority
	certificate, key, dir string // paths
}

func newWorld(t *testing.T) *world {
	now := clock.NewMock()
	now.Set(pki.Noon)
	dir := t.TempDir()
	w := &world{
		server: ststest.NewTest(t), clock: now, root: pki.Root(),
		dir: dir, certificate: filepath.Join(dir, "certificate.pem"), key: filepath.Join(dir, "private-key.pem"),
	}
	w.intermediate = w.root.Authority("Test Intermediate")
	w.server.Clock = now
	w.server.AddRoleAlias(ststest.RoleAlias{
		Name: "camera-upload", RoleARN: roleARN, Certificates: []*x509.Certificate{w.root.Certificate},
		Things: map[string][]string{"worker": {"camera-0042"}},
	})
	w.Provider = &iot.Provider{
		Endpoint: endpoint, RoleAlias: "camera-upload", ThingName: "camera-0042",
		CertificateFile: w.certificate, KeyFile: w.key, Clock: now,
	}
	w.serve(t, w.server, nil)
	w.install(t, pki.EC(), w.intermediate.Issue(pki.EC(), nil), w.intermediate.Certificate)
	return w
}

// serve makes the provider call a handler over TLS, whatever the host.
func (w *world) serve(t *testing.T, h http.Handler, change func(*tls.Config)) {
	ca := pki.Root()
	at := w.clock.Now()
	own := ca.Issue(pki.EC(), func(c *x509.Certificate) {
		c.DNSNames = []string{"*.credentials.iot.eu-west-1.amazonaws.com", "iot.example"}
		c.NotBefore, c.NotAfter = at.Add(-time.Hour), at.AddDate(10, 0, 0)
	})
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes
	srv.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{own.Raw}, PrivateKey: pki.EC()}},
		ClientAuth:   tls.RequireAnyClientCert, Time: w.clock.Now,
	}
	if change != nil {
		change(srv.TLS)
	}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	w.HTTPClient = &http.Client{Transport: transport(srv.Listener.Addr().String(), ca, w.clock.Now)}
}

// transport connects to one address, whatever the host, and trusts an authority.
func transport(address string, ca pki.Authority, now func() time.Time) *http.Transport {
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate)
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Time: now},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
}

// respond makes the service send the same response again and again, without Date.
func (w *world) respond(t *testing.T, status int, header http.Header, body string) {
	w.serve(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header()["Date"] = nil
		for name, values := range header {
			rw.Header()[name] = values
		}
		rw.WriteHeader(status)
		io.WriteString(rw, body)
	}), nil)
}

// install writes the files.
func (w *world) install(t *testing.T, key crypto.Signer, certificates ...*x509.Certificate) {
	t.Helper()
	require.NoError(t, os.WriteFile(w.certificate, pki.PEM(certificates...), 0o600))
	require.NoError(t, os.WriteFile(w.key, pki.KeyPEM(key), 0o600))
}

// issue returns a certificate of the intermediate authority, and its chain.
func (w *world) issue(key crypto.Signer, change func(*x509.Certificate)) []*x509.Certificate {
	return []*x509.Certificate{w.intermediate.Issue(key, change), w.intermediate.Certificate}
}

func returns(s string) func(context.Context) (stschain.Secret, error) {
	return func(context.Context) (stschain.Secret, error) { return stschain.NewSecret(s), nil }
}
