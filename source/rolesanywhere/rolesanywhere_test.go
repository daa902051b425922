package rolesanywhere_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/pki"
	"github.com/stschain-go/stschain/source/rolesanywhere"
	"github.com/stschain-go/stschain/ststest"
)

func TestRetrieve(t *testing.T) {
	keys := map[string]crypto.Signer{
		"P-256": pki.EC(), "P-384": must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), "P-521": must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)), "RSA": pki.RSA(),
	}
	for name, key := range keys {
		for _, direct := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				if direct {
					w.install(t, key, w.root.Issue(key, nil))
				} else {
					w.install(t, key, w.intermediate.Issue(key, nil), w.intermediate.Certificate)
				}
				w.Duration, w.SessionName = 2*time.Hour, "build-42"
				creds, err := w.Retrieve(t.Context())
				require.NoError(t, err)
				require.Equal(t, "123456789012", creds.AccountID)
				require.Equal(t, "rolesanywhere "+roleARN+" (certificate expires at 2026-12-31T12:00:00Z)", creds.Origin)
				require.Equal(t, pki.Noon.Add(2*time.Hour), creds.Expires)
				call := w.server.Calls()[0]
				require.Equal(t, "CreateSession rolesanywhere.eu-west-1.amazonaws.com 4711 eu-west-1 CN=worker",
					call.Operation+" "+call.Host+" "+call.AccessKeyID+" "+call.Region+" "+call.Caller)
				caller, ok := w.server.Caller(creds.AccessKeyID)
				require.True(t, ok)
				require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/build-42 worker", caller.ARN+" "+caller.SourceIdentity)
			})
		}
	}
}

// Without Duration and SessionName, profile and certificate decide.
func TestDefaults(t *testing.T) {
	w := newWorld(t)
	creds, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, pki.Noon.Add(time.Hour), creds.Expires)
	caller, _ := w.server.Caller(creds.AccessKeyID)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/1267", caller.ARN) // 4711 in hexadecimal
	require.Equal(t, 1, w.server.Count("CreateSession"))
}

func TestKeyFormats(t *testing.T) {
	ec := must(x509.MarshalECPrivateKey(pki.EC().(*ecdsa.PrivateKey)))
	curve := []byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n")
	for name, tt := range map[string]struct {
		key  crypto.Signer
		file []byte
	}{
		"PKCS #8":                  {pki.RSA(), pki.KeyPEM(pki.RSA())},
		"PKCS #1":                  {pki.RSA(), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(pki.RSA().(*rsa.PrivateKey))})},
		"SEC 1":                    {pki.EC(), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: ec})},
		"SEC 1 with its curve":     {pki.EC(), append(curve, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: ec})...)},
		"after a certificate":      {pki.EC(), append(pki.PEM(pki.Root().Certificate), pki.KeyPEM(pki.EC())...)},
		"with a byte order mark":   {pki.EC(), append([]byte("\xef\xbb\xbf"), pki.KeyPEM(pki.EC())...)},
		"after text of another OS": {pki.EC(), append([]byte("Bag Attributes\r\n  friendlyName: x\r\n"), pki.KeyPEM(pki.EC())...)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.install(t, tt.key, w.root.Issue(tt.key, nil))
			require.NoError(t, os.WriteFile(w.key, tt.file, 0o600))
			_, err := w.Retrieve(t.Context())
			require.NoError(t, err)
		})
	}
}

// The certificate, its chain and the key may be in one file, or the chain in its own.
func TestFiles(t *testing.T) {
	w := newWorld(t)
	leaf := w.intermediate.Issue(pki.EC(), nil)
	for _, all := range [][]byte{append(pki.PEM(leaf, w.intermediate.Certificate), pki.KeyPEM(pki.EC())...), append(pki.KeyPEM(pki.EC()), pki.PEM(leaf, w.intermediate.Certificate)...)} {
		require.NoError(t, os.WriteFile(w.certificate, all, 0o600))
		w.KeyFile = w.certificate
		_, err := w.Retrieve(t.Context())
		require.NoError(t, err)
	}
	w.KeyFile, w.ChainFile = w.key, filepath.Join(w.dir, "chain.pem")
	require.NoError(t, os.WriteFile(w.certificate, pki.PEM(leaf), 0o600))
	require.NoError(t, os.WriteFile(w.ChainFile, pki.PEM(w.root.Certificate, w.intermediate.Certificate), 0o600))
	_, err := w.Retrieve(t.Context())
	require.NoError(t, err)
}

// A renewed certificate is used by the next call.
func TestRenewal(t *testing.T) {
	w := newWorld(t)
	for _, serial := range []int64{1, 2} {
		key := pki.NewEC()
		w.install(t, key, w.root.Issue(key, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(serial) }))
		_, err := w.Retrieve(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, "1", w.server.Calls()[0].AccessKeyID)
	require.Equal(t, "2", w.server.Calls()[1].AccessKeyID)
}

// While another process replaces one file after the other, they do not fit.
func TestRenewalInBetween(t *testing.T) {
	old, renewed := pki.EC(), pki.NewEC()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.install(t, old, w.root.Issue(renewed, nil))
		go func() {
			time.Sleep(250 * time.Millisecond)
			if err := os.WriteFile(w.key, pki.KeyPEM(renewed), 0o600); err != nil {
				t.Error(err)
			}
		}()
		_, err := w.Retrieve(t.Context())
		require.NoError(t, err)
		w.install(t, old, w.root.Issue(renewed, nil))
		began := time.Now()
		_, err = w.Retrieve(t.Context())
		require.ErrorContains(t, err, "the private key does not fit the certificate CN=worker (serial number 4711, from "+w.certificate+")")
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Equal(t, 500*time.Millisecond, time.Since(began))
	})
}

type clockFunc func() time.Time

func (f clockFunc) Now() time.Time { return f() }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestEndpoints(t *testing.T) {
	for _, tt := range []struct {
		region, endpoint string
		fips, dual       bool
		want             string
	}{
		{region: "eu-west-1", want: "https://rolesanywhere.eu-west-1.amazonaws.com/sessions"},
		{region: "cn-north-1", want: "https://rolesanywhere.cn-north-1.amazonaws.com.cn/sessions"},
		{region: "eusc-de-east-1", want: "https://rolesanywhere.eusc-de-east-1.amazonaws.eu/sessions"},
		{region: "us-gov-west-1", want: "https://rolesanywhere.us-gov-west-1.amazonaws.com/sessions"},
		{region: "us-gov-west-1", fips: true, want: "https://rolesanywhere-fips.us-gov-west-1.amazonaws.com/sessions"},
		{region: "us-east-1", fips: true, want: "https://rolesanywhere-fips.us-east-1.amazonaws.com/sessions"},
		{region: "us-east-1", dual: true, want: "https://rolesanywhere.us-east-1.api.aws/sessions"},
		{region: "us-east-1", dual: true, fips: true, want: "https://rolesanywhere-fips.us-east-1.api.aws/sessions"},
		{region: "us-east-1", endpoint: "https://vpce-1.example:8443/x y/", want: "https://vpce-1.example:8443/x%20y/sessions"},
		{region: "us-east-1", endpoint: "http://127.0.0.1:1", want: "http://127.0.0.1:1/sessions"},
	} {
		w := newWorld(t)
		at := "arn:aws:rolesanywhere:" + tt.region + ":123456789012:"
		w.TrustAnchorARN, w.ProfileARN = at+"trust-anchor/0a1b", at+"profile/2c3d"
		w.server.AddTrustAnchor(ststest.TrustAnchor{ARN: w.TrustAnchorARN, ProfileARN: w.ProfileARN, Certificates: []*x509.Certificate{w.root.Certificate}})
		w.FIPS, w.DualStack, w.Endpoint = tt.fips, tt.dual, tt.endpoint
		var got string
		inner := w.HTTPClient.Transport
		w.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			u := *r.URL
			u.RawQuery = ""
			got = u.String()
			return inner.RoundTrip(r)
		})}
		_, err := w.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, tt.want, got)
	}
}

func TestFields(t *testing.T) {
	for want, change := range map[string]func(*rolesanywhere.Provider){
		"TrustAnchorARN is not the ARN of a trust anchor": func(p *rolesanywhere.Provider) { p.TrustAnchorARN = profileARN },
		"TrustAnchorARN is not the ARN of":                func(p *rolesanywhere.Provider) { p.TrustAnchorARN = anchorARN + " x" },
		"ProfileARN is not the ARN of a profile":          func(p *rolesanywhere.Provider) { p.ProfileARN = "" },
		"RoleARN is not the ARN of a role":                func(p *rolesanywhere.Provider) { p.RoleARN = "backup" },
		"TrustAnchorARN has no valid region": func(p *rolesanywhere.Provider) {
			p.TrustAnchorARN = "arn:aws:rolesanywhere:a/b:123456789012:trust-anchor/x"
		},
		"TrustAnchorARN is in eu-west-1, and ProfileARN in us-east-1": func(p *rolesanywhere.Provider) {
			p.ProfileARN = "arn:aws:rolesanywhere:us-east-1:123456789012:profile/x"
		},
		"Duration is 1m0s":                                   func(p *rolesanywhere.Provider) { p.Duration = time.Minute },
		"Duration is -1ns":                                   func(p *rolesanywhere.Provider) { p.Duration = -1 },
		"Duration is 15m0.5s":                                func(p *rolesanywhere.Provider) { p.Duration = 15*time.Minute + time.Second/2 },
		"Duration is 13h0m0s":                                func(p *rolesanywhere.Provider) { p.Duration = 13 * time.Hour },
		"SessionName is not valid":                           func(p *rolesanywhere.Provider) { p.SessionName = "a" },
		"SessionName is not valid: 2 to 64":                  func(p *rolesanywhere.Provider) { p.SessionName = "a b" },
		"CertificateFile is missing, and so is Certificates": func(p *rolesanywhere.Provider) { p.CertificateFile = "" },
		"KeyFile is missing, and so is Signer":               func(p *rolesanywhere.Provider) { p.KeyFile = "" },
		"Endpoint is set together with FIPS":                 func(p *rolesanywhere.Provider) { p.Endpoint, p.FIPS = "https://x.example", true },
		"Endpoint is plain http":                             func(p *rolesanywhere.Provider) { p.Endpoint = "http://x.example" },
		"Endpoint has a query":                               func(p *rolesanywhere.Provider) { p.Endpoint = "https://x.example?a" },
	} {
		w := newWorld(t)
		change(w.Provider)
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.False(t, stschain.IsUnavailable(err))
		require.Empty(t, w.server.Calls())
	}
	_, err := new(rolesanywhere.Provider).Retrieve(t.Context())
	require.ErrorContains(t, err, "rolesanywhere: TrustAnchorARN is not the ARN")
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
	require.ErrorContains(t, err, "rolesanywhere "+roleARN+": no certificate: file "+w.certificate+": no such file or directory")
}
