package minio_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/minio"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func TestCertificate(t *testing.T) {
	m := newMachine(t)
	m.Duration, m.TokenRevokeType = 2*time.Hour, "nightly"
	session, err := m.AssumeRoleWithCertificate(t.Context())
	require.NoError(t, err)
	creds := session.Credentials
	require.Equal(t, "minio certificate "+m.CertificateFile, creds.Origin)
	require.Equal(t, noon.Add(2*time.Hour), creds.Expires)
	require.NotEmpty(t, session.RequestID)
	caller, ok := m.server.Caller(creds.AccessKeyID)
	require.True(t, ok)
	require.Equal(t, "arn:minio:sts:::tls:readwrite", caller.ARN)
	call := m.server.Calls()[0]
	require.Equal(t, "nightly", call.Form.Get("TokenRevokeType"))
	require.Equal(t, "7200", call.Form.Get("DurationSeconds"))
}

// TestReplaced: a certificate that is replaced is presented from the next call on, by HTTP/1 and by HTTP/2.
func TestReplaced(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		m := newMachine(t)
		m.Client.HTTPClient.Transport.(*http.Transport).ForceAttemptHTTP2 = http2
		for _, name := range []string{"readonly", "readwrite", "diagnostics"} {
			key := newKey()
			m.install(t, key, m.root.issue(key, func(c *x509.Certificate) { c.Subject.CommonName = name }))
			for range 2 {
				creds, err := m.Retrieve(t.Context())
				require.NoError(t, err)
				caller, _ := m.server.Caller(creds.AccessKeyID)
				require.Equal(t, "arn:minio:sts:::tls:"+name, caller.ARN)
			}
		}
	}
}

// TestCertificateEnd: credentials are not valid for longer than the certificate, and a note says until when it is.
func TestCertificateEnd(t *testing.T) {
	m := newMachine(t)
	intermediate := m.root.authority("Intermediate")
	key := newKey()
	m.install(t, key, intermediate.issue(key, func(c *x509.Certificate) { c.NotAfter = noon.Add(20 * time.Minute) }), intermediate.certificate)
	var note string
	creds, err := m.Retrieve(stschain.WithTrace(t.Context(), &stschain.Trace{End: func(_ context.Context, s stschain.Step) { note += s.Note }}))
	require.NoError(t, err)
	require.Equal(t, noon.Add(20*time.Minute), creds.Expires)
	require.Equal(t, "certificate CN=readwrite (serial number 4711) expires at 2026-12-01T12:20:00Z", note)
}

// TestCertificateFromCode has a key that is not in a file.
func TestCertificateFromCode(t *testing.T) {
	m := newMachine(t)
	m.CertificateFile, m.KeyFile = "", ""
	key := newKey()
	m.Certificate.Certificate = func(context.Context) (tls.Certificate, error) {
		return tls.Certificate{Certificate: [][]byte{m.root.issue(key, nil).Raw}, PrivateKey: key}, nil
	}
	creds, err := m.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "minio certificate", creds.Origin)

	for name, returned := range map[string]struct {
		certificate tls.Certificate
		err         error
		want        string
	}{
		"error":       {tls.Certificate{}, errors.New("token removed"), "no certificate: Certificate: token removed"},
		"unavailable": {tls.Certificate{}, stschain.Unavailable("no token"), "no certificate: Certificate: no token"},
		"zero":        {tls.Certificate{}, nil, "one without content or without a private key"},
		"malformed":   {tls.Certificate{Certificate: [][]byte{{1}}, PrivateKey: key}, nil, "certificate 1 is malformed"},
		"other key":   {tls.Certificate{Certificate: [][]byte{m.root.issue(newKey(), nil).Raw}, PrivateKey: key}, nil, "does not fit the private key"},
		"no signer":   {tls.Certificate{Certificate: [][]byte{m.root.issue(key, nil).Raw}, PrivateKey: 7}, nil, "does not fit the private key"},
	} {
		m.Certificate.Certificate = func(context.Context) (tls.Certificate, error) { return returned.certificate, returned.err }
		_, err := m.Retrieve(t.Context())
		require.ErrorContains(t, err, returned.want, name)
		require.False(t, stschain.IsUnavailable(err))
	}
}

// TestCertificateRefused: what MinIO would refuse is not sent.
func TestCertificateRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*x509.Certificate)
		want   string
	}{
		"expired":   {func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Hour) }, "expired at 2026-12-01T11:00:00Z, 1h0m0s ago; renew it"},
		"future":    {func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Hour) }, "is not valid until 2026-12-01T13:00:00Z, 1h0m0s from now; check this machine's clock"},
		"authority": {func(c *x509.Certificate) { c.IsCA = true }, "is that of a certificate authority"},
		"no usage":  {func(c *x509.Certificate) { c.ExtKeyUsage = nil }, "its extended key usage lacks clientAuth"},
		"no name":   {func(c *x509.Certificate) { c.Subject.CommonName = "" }, "has no common name (CN)"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			key := newKey()
			m.install(t, key, m.root.issue(key, test.change))
			_, err := m.Retrieve(t.Context())
			require.ErrorContains(t, err, test.want)
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.Empty(t, m.server.Calls())
		})
	}
	m := newMachine(t)
	key := newKey()
	leaf := m.root.issue(key, nil)
	m.install(t, key, leaf, leaf)
	_, err := m.Retrieve(t.Context())
	require.ErrorContains(t, err, "is followed by another one that is not a certificate authority's")
}

// TestFiles has files that cannot be used. Those that another process may be replacing are read again.
func TestFiles(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, m *machine)
		want   string
		waits  time.Duration
	}{
		"no certificate": {func(t *testing.T, m *machine) { require.NoError(t, os.Remove(m.certificate)) }, "no certificate: file ", 0},
		"no key":         {func(t *testing.T, m *machine) { require.NoError(t, os.Remove(m.key)) }, "no private key: file ", 0},
		"other key": {func(t *testing.T, m *machine) {
			require.NoError(t, os.WriteFile(m.key, keyPEM(newKey()), 0o600))
		}, "private key does not match public key", 500 * time.Millisecond},
		"empty": {func(t *testing.T, m *machine) { require.NoError(t, os.WriteFile(m.certificate, nil, 0o600)) }, "failed to find any PEM data", 500 * time.Millisecond},
		"encrypted": {func(t *testing.T, m *machine) {
			require.NoError(t, os.WriteFile(m.key, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\naaaa\n-----END ENCRYPTED PRIVATE KEY-----\n"), 0o600))
		}, "the private key is encrypted: decrypt it in Certificate", 500 * time.Millisecond},
		"large": {func(t *testing.T, m *machine) {
			require.NoError(t, os.WriteFile(m.key, make([]byte, 300<<10), 0o600))
		}, "exceeds 262144 bytes", 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			test.change(t, m)
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, err := m.Identity(t.Context())
				require.ErrorContains(t, err, test.want)
				require.Equal(t, test.waits, time.Since(start))
			})
		})
	}
}

// TestReplacedBetween: the key is replaced after the certificate was read, and the pair is read again.
func TestReplacedBetween(t *testing.T) {
	m := newMachine(t)
	key := newKey()
	require.NoError(t, os.WriteFile(m.certificate, bundle(m.root.issue(key, nil)), 0o600))
	synctest.Test(t, func(t *testing.T) {
		time.AfterFunc(150*time.Millisecond, func() { _ = os.WriteFile(m.key, keyPEM(key), 0o600) })
		start := time.Now()
		_, err := m.Identity(t.Context())
		require.NoError(t, err)
		require.Equal(t, 200*time.Millisecond, time.Since(start))
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, os.WriteFile(m.key, keyPEM(newKey()), 0o600))
	_, err := m.Identity(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// TestTransports: what cannot present the certificate is refused before anything is sent.
func TestTransports(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		transport http.RoundTripper
		want      string
	}{
		"in process": {ststest.InProcess(w.server), "to which no certificate can be added: use an *http.Transport"},
		"dials TLS": {&http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { panic("dialed") }},
			"has DialTLSContext, which cannot present the certificate"},
	} {
		m := newMachine(t)
		m.Client = &stsquery.Client{Endpoint: "https://minio.example", HTTPClient: &http.Client{Transport: test.transport}, Clock: w.clock}
		for range 2 {
			_, err := m.Retrieve(t.Context())
			require.ErrorContains(t, err, test.want, name)
			require.ErrorIs(t, err, stschain.ErrPermanent)
		}
	}
	// Without a transport there is http.DefaultTransport, which is not changed, and without a client there is one with timeouts.
	for _, client := range []*http.Client{{}, nil} {
		m := newMachine(t)
		m.Client = &stsquery.Client{Endpoint: "https://127.0.0.1:1", HTTPClient: client, Clock: w.clock, Retry: stsquery.Retry{MaxAttempts: 1}}
		_, err := m.Retrieve(t.Context())
		require.ErrorContains(t, err, "127.0.0.1:1")
		require.False(t, http.DefaultTransport.(*http.Transport).DisableKeepAlives)
	}
}

// TestRefusedByServer: the errors of MinIO say what to do.
func TestRefusedByServer(t *testing.T) {
	m := newMachine(t)
	stranger, key := newAuthority(), newKey()
	m.install(t, key, stranger.issue(key, nil))
	_, err := m.Retrieve(t.Context())
	require.ErrorContains(t, err, "InvalidClientCertificate")
	require.ErrorContains(t, err, "must be in the folder certs/CAs of MinIO")
	require.ErrorIs(t, err, stschain.ErrPermanent)

	var refused *stsquery.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 1, refused.Attempts)
}

var _ = []stschain.Provider{&minio.Certificate{}, &minio.LDAP{}, &minio.CustomToken{}}
