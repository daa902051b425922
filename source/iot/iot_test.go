package iot_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/pki"
	"github.com/stschain-go/stschain/source/iot"
	"github.com/stschain-go/stschain/ststest"
)

func TestRetrieve(t *testing.T) {
	for name, key := range map[string]crypto.Signer{"EC": pki.EC(), "RSA": pki.RSA()} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(name+" "+tls.VersionName(version), func(t *testing.T) {
				w := newWorld(t)
				w.serve(t, w.server, func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version })
				w.install(t, key, w.issue(key, nil)...)
				creds, err := w.Retrieve(t.Context())
				require.NoError(t, err)
				require.Equal(t, origin, creds.Origin)
				require.Equal(t, pki.Noon.Add(time.Hour), creds.Expires)
				require.Empty(t, creds.AccountID, "the service does not return it")
				call := w.server.Calls()[0]
				require.Equal(t, "AssumeRoleWithCertificate "+endpoint+" 4711 CN=worker camera-0042",
					call.Operation+" "+call.Host+" "+call.AccessKeyID+" "+call.Caller+" "+call.Form.Get("thingName"))
				caller, ok := w.server.Caller(creds.AccessKeyID)
				require.True(t, ok)
				require.True(t, strings.HasPrefix(caller.ARN, "arn:aws:sts::123456789012:assumed-role/camera/"), caller.ARN)
			})
		}
	}
}

// Without HTTPClient, the roots of the system decide, which do not know the server.
func TestDefaultClient(t *testing.T) {
	w := newWorld(t)
	w.serve(t, w.server, nil)
	address, err := w.HTTPClient.Transport.(*http.Transport).DialContext(t.Context(), "tcp", "")
	require.NoError(t, err)
	w.Endpoint, w.HTTPClient, w.MaxAttempts = address.RemoteAddr().String(), nil, 1
	require.NoError(t, address.Close())
	_, err = w.Retrieve(t.Context())
	require.ErrorContains(t, err, "tls: failed to verify certificate")
	require.Empty(t, w.server.Calls())
}

// The thing name is optional.
func TestWithoutThing(t *testing.T) {
	w := newWorld(t)
	w.server.AddRoleAlias(ststest.RoleAlias{Name: "a=b,c@d_e-F", RoleARN: roleARN, Certificates: []*x509.Certificate{w.root.Certificate}, Duration: 15 * time.Minute})
	w.RoleAlias, w.ThingName = "a=b,c@d_e-F", ""
	creds, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, pki.Noon.Add(15*time.Minute), creds.Expires)
	require.NotContains(t, w.server.Calls()[0].Header, "X-Amzn-Iot-Thingname")
}

// A certificate and a chain that are replaced while the program runs are used by the next refresh.
func TestRenewal(t *testing.T) {
	w := newWorld(t)
	c := &stschain.Cache{Provider: w.Provider, Clock: w.clock}
	for serial := range int64(3) {
		authority := w.root.Authority("Another Intermediate")
		key := pki.NewEC()
		w.install(t, key, authority.Issue(key, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(serial + 1) }), authority.Certificate)
		_, err := c.RetrieveFor(t.Context(), 30*time.Minute)
		require.NoError(t, err)
		require.Equal(t, big.NewInt(serial+1).String(), w.server.Calls()[serial].AccessKeyID)
		w.clock.Add(40 * time.Minute)
	}
}

// The certificate and its key may be in one file, the chain in its own, the key encrypted, or all of them elsewhere.
func TestFiles(t *testing.T) {
	w := newWorld(t)
	chain := w.issue(pki.EC(), nil)
	require.NoError(t, os.WriteFile(w.certificate, append(pki.KeyPEM(pki.EC()), pki.PEM(chain[0])...), 0o600))
	w.KeyFile, w.ChainFile = w.certificate, filepath.Join(w.dir, "chain.pem")
	require.NoError(t, os.WriteFile(w.ChainFile, pki.PEM(w.root.Certificate, chain[1]), 0o600))
	_, err := w.Retrieve(t.Context())
	require.NoError(t, err)

	w.CertificateFile, w.ChainFile, w.KeyFile = "", "", ""
	w.Certificates = func(context.Context) ([]*x509.Certificate, error) { return chain, nil }
	w.Signer = func(context.Context) (crypto.Signer, error) { return pki.EC(), nil }
	_, err = w.Retrieve(t.Context())
	require.NoError(t, err)

	w.Signer, w.KeyFile, w.Password = nil, filepath.Join("..", "..", "internal", "keypair", "testdata", "aes-256-cbc.pem"), returns(password)
	_, err = w.Retrieve(t.Context())
	require.ErrorContains(t, err, "the private key does not fit the certificate CN=worker (serial number 4711, from Certificates)")
}

func TestFields(t *testing.T) {
	for want, change := range map[string]func(*iot.Provider){
		"Endpoint is missing: set it to what `aws iot describe-endpoint": func(p *iot.Provider) { p.Endpoint = "" },
		"Endpoint has a query":     func(p *iot.Provider) { p.Endpoint += "/?x" },
		"Endpoint has the host":    func(p *iot.Provider) { p.Endpoint = "a..b" },
		"Endpoint is plain http":   func(p *iot.Provider) { p.Endpoint = "http://" + endpoint },
		"Endpoint is plain http, ": func(p *iot.Provider) { p.Endpoint = "http://127.0.0.1:1" },
		"Endpoint is c2a1b3-ats.iot.eu-west-1.amazonaws.com, which is the data endpoint": func(p *iot.Provider) { p.Endpoint = "c2a1b3-ats.iot.eu-west-1.amazonaws.com" },
		"RoleAlias is missing":                                          func(p *iot.Provider) { p.RoleAlias = "" },
		"RoleAlias is not valid: 1 to 128 letters":                      func(p *iot.Provider) { p.RoleAlias = "a/b" },
		"RoleAlias is not valid":                                        func(p *iot.Provider) { p.RoleAlias = strings.Repeat("a", 129) },
		"ThingName is not valid: up to 128 letters":                     func(p *iot.Provider) { p.ThingName = "a b" },
		"CertificateFile is missing, and so is Certificates":            func(p *iot.Provider) { p.CertificateFile = "" },
		"KeyFile is missing, and so is Signer":                          func(p *iot.Provider) { p.KeyFile = "" },
		"HTTPClient.Transport is not an *http.Transport, or it has Dia": func(p *iot.Provider) { p.HTTPClient = &http.Client{Transport: roundTrip(nil)} },
		"has DialTLSContext": func(p *iot.Provider) {
			p.HTTPClient = &http.Client{Transport: &http.Transport{DialTLSContext: (&tls.Dialer{}).DialContext}}
		},
	} {
		w := newWorld(t)
		change(w.Provider)
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.False(t, stschain.IsUnavailable(err))
		require.Empty(t, w.server.Calls())
	}
	_, err := new(iot.Provider).Retrieve(t.Context())
	require.ErrorContains(t, err, "iot: Endpoint is missing")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// When the certificate expires is in the status of a cache, in events, in traces and in Explain.
func TestExpiry(t *testing.T) {
	w := newWorld(t)
	events := make(chan stschain.Event, 2)
	c := &stschain.Cache{Provider: w.Provider, Clock: w.clock, OnEvent: func(e stschain.Event) { events <- e }}
	steps := make(chan stschain.Step, 2)
	_, err := c.Retrieve(stschain.WithTrace(t.Context(), &stschain.Trace{End: func(_ context.Context, s stschain.Step) { steps <- s }}))
	require.NoError(t, err)
	const note = "certificate CN=worker expires at 2026-12-31T12:00:00Z"
	require.Equal(t, origin, c.Status().Origin)
	started, refreshed, step := <-events, <-events, <-steps
	require.Equal(t, "iot camera-upload", started.Origin)
	require.Equal(t, []string{origin, note}, []string{refreshed.Origin, refreshed.Note})
	require.Equal(t, []string{"iot camera-upload", origin, note}, []string{step.Name, step.Origin, step.Note})
	require.Contains(t, stschain.Explain(t.Context(), c).String(), " from "+origin+", expires at ")
}

// The certificate decides the identity, which is known without its key.
func TestIdentity(t *testing.T) {
	w := newWorld(t)
	w.Password = func(context.Context) (stschain.Secret, error) { panic("Identity must not prompt") }
	before, err := w.Identity(t.Context())
	require.NoError(t, err)
	same, err := w.Identity(t.Context())
	require.NoError(t, err)
	require.True(t, before == same)
	require.NoError(t, os.WriteFile(w.certificate, pki.PEM(w.root.Issue(pki.EC(), nil)), 0o600))
	renewed, err := w.Identity(t.Context())
	require.NoError(t, err)
	require.False(t, before == renewed)
	require.Empty(t, w.server.Calls())
	require.NoError(t, os.Remove(w.certificate))
	_, err = w.Identity(t.Context())
	require.ErrorContains(t, err, "iot camera-upload: no certificate: file "+w.certificate+": no such file or directory")
	w.RoleAlias = ""
	_, err = w.Identity(t.Context())
	require.ErrorContains(t, err, "iot: RoleAlias is missing")
}
