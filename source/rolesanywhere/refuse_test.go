package rolesanywhere_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/pki"
	"github.com/stschain-go/stschain/ststest"
)

// A certificate that AWS does not accept is an error without a request.
func TestCertificates(t *testing.T) {
	_, edwards := must2(ed25519.GenerateKey(rand.Reader))
	for want, content := range map[string]func(*world) []byte{
		"expired at 2026-12-01T11:55:00Z, 5m0s ago; renew it": func(w *world) []byte {
			return pki.PEM(w.root.Issue(pki.EC(), func(c *x509.Certificate) { c.NotAfter = pki.Noon.Add(-5 * time.Minute) }))
		},
		"is not valid until 2026-12-01T12:05:01Z, 5m1s from now; check this machine's clock": func(w *world) []byte {
			return pki.PEM(w.root.Issue(pki.EC(), func(c *x509.Certificate) { c.NotBefore = pki.Noon.Add(5*time.Minute + time.Second) }))
		},
		"its key usage lacks digitalSignature": func(w *world) []byte {
			return pki.PEM(w.root.Issue(pki.EC(), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }))
		},
		"is that of a certificate authority": func(w *world) []byte {
			return pki.PEM(w.root.Issue(pki.EC(), func(c *x509.Certificate) { c.IsCA = true }))
		},
		"has an RSA key of 1024 bits; at least 2048 are required": func(w *world) []byte { return pki.PEM(w.root.Issue(pki.SmallRSA(), nil)) },
		"has a key that is neither RSA nor EC":                    func(w *world) []byte { return pki.PEM(w.root.Issue(edwards, nil)) },
		"has X.509 version 1 instead of 3":                        func(*world) []byte { return fixture(t, "version1.pem") },
		"is signed with ECDSA-SHA1; SHA-256 or better":            func(*world) []byte { return fixture(t, "sha1.pem") },
		"it contains no certificate in PEM":                       func(*world) []byte { return pki.KeyPEM(pki.EC()) },
		"file ":                                                   func(*world) []byte { return nil },
		"certificate 1 is malformed":                              func(*world) []byte { return []byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n") },
		"a PEM block is malformed or truncated": func(w *world) []byte {
			all := pki.PEM(w.intermediate.Issue(pki.EC(), nil), w.intermediate.Certificate)
			return all[:len(all)-30]
		},
		"a PEM block is malformed": func(w *world) []byte {
			return bytes.Replace(pki.PEM(w.root.Issue(pki.EC(), nil), w.root.Certificate), []byte("MII"), []byte("M*I"), 1)
		},
		"none of the 1 other certificates issued certificate CN=worker (serial number 4711, from ": func(w *world) []byte {
			return pki.PEM(w.intermediate.Issue(pki.EC(), nil), pki.Root().Authority("Test Intermediate").Certificate)
		},
	} {
		t.Run(want, func(t *testing.T) {
			w := newWorld(t)
			require.NoError(t, os.WriteFile(w.certificate, content(w), 0o600))
			_, err := w.Retrieve(t.Context())
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, w.certificate)
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.Empty(t, w.server.Calls())
		})
	}
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

// Clocks differ: within five minutes the service decides.
func TestLeeway(t *testing.T) {
	w := newWorld(t)
	w.server.AllowRefusals()
	for _, change := range []func(*x509.Certificate){
		func(c *x509.Certificate) { c.NotAfter = pki.Noon.Add(-5*time.Minute + time.Second) },
		func(c *x509.Certificate) { c.NotBefore = pki.Noon.Add(5 * time.Minute) },
	} {
		w.install(t, pki.EC(), w.root.Issue(pki.EC(), change))
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, "rolesanywhere.eu-west-1.amazonaws.com returned 403 Forbidden, AccessDeniedException: Untrusted certificate.")
		require.ErrorContains(t, err, "; the certificate CN=worker (serial number 4711, from "+w.certificate+") is valid until ")
		require.ErrorContains(t, err, "trusts rolesanywhere.amazonaws.com for sts:AssumeRole, sts:TagSession and sts:SetSourceIdentity")
		require.ErrorIs(t, err, stschain.ErrPermanent)
	}
}

// The chain is sent in order, without the root, whatever the order of the bundle.
func TestChainOrder(t *testing.T) {
	w := newWorld(t)
	second := w.intermediate.Authority("Test Intermediate 2")
	leaf := second.Issue(pki.EC(), nil)
	chain := []*x509.Certificate{second.Certificate, w.intermediate.Certificate}
	bundles := [][]*x509.Certificate{
		{leaf, w.root.Certificate, w.intermediate.Certificate, second.Certificate},
		{w.root.Certificate, w.intermediate.Certificate, second.Certificate, leaf},
		{second.Certificate, leaf, w.intermediate.Certificate},
		{leaf, second.Certificate, pki.Root().Certificate, w.intermediate.Certificate, second.Certificate, leaf},
	}
	for _, order := range bundles {
		w.install(t, pki.EC(), order...)
		_, err := w.Retrieve(t.Context())
		require.NoError(t, err)
		calls := w.server.Calls()
		header := calls[len(calls)-1].Header.Get("X-Amz-X509-Chain")
		require.Equal(t, len(chain), len(strings.Split(header, ",")))
	}
	w.Certificates = func(context.Context) ([]*x509.Certificate, error) {
		return append([]*x509.Certificate{leaf}, chain...), nil
	}
	w.CertificateFile = ""
	_, err := w.Retrieve(t.Context())
	require.NoError(t, err)
}

func TestCertificatesFunction(t *testing.T) {
	w := newWorld(t)
	for want, certificates := range map[string]func(context.Context) ([]*x509.Certificate, error){
		"no certificate: Certificates: no SVID":               func(context.Context) ([]*x509.Certificate, error) { return nil, errors.New("no SVID") },
		"no certificate: Certificates has none, or a nil one": func(context.Context) ([]*x509.Certificate, error) { return nil, nil },
		"none, or a nil one":                                  func(context.Context) ([]*x509.Certificate, error) { return []*x509.Certificate{nil}, nil },
	} {
		w.Certificates = certificates
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
	}
}

// A chain of 16 kB is sent.
func TestLargeChain(t *testing.T) {
	w := newWorld(t)
	at, all := w.root, []*x509.Certificate(nil)
	for size := 0; size < 16<<10; size += len(at.Certificate.Raw) {
		key := pki.EC()
		at = pki.Authority{Key: key, Certificate: at.Issue(key, func(c *x509.Certificate) {
			c.Subject.CommonName, c.IsCA, c.KeyUsage = "CA", true, x509.KeyUsageCertSign
			c.Subject.SerialNumber = time.Now().String()
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3, 4}, Value: make([]byte, 4000)}}
		})}
		all = append(all, at.Certificate)
	}
	slices.Reverse(all)
	w.install(t, pki.EC(), append([]*x509.Certificate{at.Issue(pki.EC(), nil)}, all...)...)
	_, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Greater(t, len(w.server.Calls()[0].Header.Get("X-Amz-X509-Chain")), 16<<10)
}

// Serial numbers are sent in decimal; in DER, those that begin with a bit that is 1 have a zero byte in front.
func TestSerialNumbers(t *testing.T) {
	w := newWorld(t)
	for _, hex := range []string{"1", "7f", "80", "f3a1b2", "00f3a1b2", "7fffffffffffffffffffffffffffffffffffffff", "80000000000000000000000000000000000000"} {
		serial, ok := new(big.Int).SetString(hex, 16)
		require.True(t, ok)
		w.install(t, pki.EC(), w.root.Issue(pki.EC(), func(c *x509.Certificate) { c.SerialNumber = serial }))
		_, err := w.Retrieve(t.Context())
		require.NoError(t, err)
		calls := w.server.Calls()
		require.Equal(t, serial.String(), calls[len(calls)-1].AccessKeyID)
	}
}

func TestKeys(t *testing.T) {
	for want, content := range map[string][]byte{
		"it contains no private key in PEM":        pki.PEM(pki.Root().Certificate),
		"it contains no private key":               nil,
		"its PRIVATE KEY is malformed":             []byte("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"),
		"its RSA PRIVATE KEY is malformed":         []byte("-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n"),
		"its ENCRYPTED PRIVATE KEY is malformed":   []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n"),
		"a PEM block is malformed or truncated":    pki.KeyPEM(pki.EC())[:100],
		"obsolete encryption of PEM (DEK-Info)":    fixture(t, "dek-info.pem"),
		"it is encrypted, and Password is not set": fixture(t, "aes-256-cbc.pem"),
	} {
		w := newWorld(t)
		require.NoError(t, os.WriteFile(w.key, content, 0o600))
		if strings.Contains(want, "ENCRYPTED") {
			w.Password = returns(password)
		}
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, "no private key: file "+w.key+": ")
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Empty(t, w.server.Calls())
	}
	w := newWorld(t)
	require.NoError(t, os.Remove(w.key))
	_, err := w.Retrieve(t.Context())
	require.ErrorContains(t, err, "no private key: file "+w.key+": no such file or directory")
	require.NotErrorIs(t, err, stschain.ErrPermanent)
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		fault                ststest.Fault
		calls                int
		permanent, throttled bool
	}{
		{"denied", ststest.Refuse(403, "AccessDeniedException", "Incorrect trust anchor"), 1, true, false},
		{"not found", ststest.Refuse(404, "ResourceNotFoundException", "Profile not found"), 1, true, false},
		{"invalid", ststest.Refuse(400, "ValidationException", "no"), 1, true, false},
		{"throttled", ststest.Refuse(429, "ThrottlingException", "Rate exceeded"), 1, false, true},
		{"down", ststest.Refuse(503, "ServiceUnavailable", "no"), 1, false, false},
	} {
		w := newWorld(t)
		w.MaxAttempts = tt.calls
		w.server.FailAll(tt.fault)
		_, err := w.Retrieve(t.Context())
		require.Equal(t, tt.permanent, errors.Is(err, stschain.ErrPermanent), err)
		require.Equal(t, tt.throttled, errors.Is(err, stschain.ErrThrottled), err)
		require.Equal(t, tt.calls, w.server.Count("CreateSession"))
	}
}

// Roles and profiles that do not fit, as the server refuses them.
func TestDenied(t *testing.T) {
	w := newWorld(t)
	w.server.AddTrustAnchor(ststest.TrustAnchor{ARN: anchorARN, ProfileARN: profileARN, Certificates: []*x509.Certificate{w.root.Certificate}, Roles: []string{roleARN}})
	w.server.AddRole(ststest.Role{ARN: roleARN, Trusted: []string{"rolesanywhere.amazonaws.com"}, MaxDuration: 30 * time.Minute})
	creds, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, pki.Noon.Add(30*time.Minute), creds.Expires)

	w.SessionName = "build"
	_, err = w.Retrieve(t.Context())
	require.ErrorContains(t, err, "The profile does not accept roleSessionName.")
	w.SessionName = ""
	w.server.AddRole(ststest.Role{ARN: roleARN, Trusted: []string{"123456789012"}})
	_, err = w.Retrieve(t.Context())
	require.ErrorContains(t, err, "Unable to assume role for "+roleARN)
}

// The response is that of a service that may be none.
func TestResponses(t *testing.T) {
	const keys = `"accessKeyId":"ASIA1","secretAccessKey":"s","sessionToken":"t"`
	set := func(credentials, role string) string {
		return `{"credentialSet":[{"credentials":` + credentials + `,"roleArn":"` + role + `"}]}`
	}
	for body, want := range map[string]string{
		set(`{`+keys+`,"expiration":"2026-12-01T13:00:00Z"}`, roleARN):                                "",
		set(`{`+keys+`,"expiration":"2026-12-01T13:00:00Z"}`, "arn:aws:iam::123456789012:role/other"): "invalid response of rolesanywhere.eu-west-1.amazonaws.com: a session of another role, arn:aws:iam::123456789012:role/other; it is not used",
		set(`{`+keys+`}`, roleARN):                                    "the credentials have no expiration",
		set(`{`+keys+`,"expiration":"soon"}`, roleARN):                "its Expiration is not a valid time",
		set(`{"accessKeyId":"ASIA1","secretAccessKey":"s"}`, roleARN): "it has no sessionToken",
		set(`null`, roleARN):                                          "it is not a JSON object",
		`{"credentialSet":[]}`:                                        "not a JSON object with a credentialSet",
		`{}`:                                                          "not a JSON object with a credentialSet",
		`<html>`:                                                      "not a JSON object with a credentialSet",
		``:                                                            "not a JSON object with a credentialSet",
		`{"credentialSet":[{}]}`:                                      "it is empty",
	} {
		w := newWorld(t)
		w.HTTPClient = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			rec := httptest.NewRecorder()
			rec.WriteHeader(201)
			rec.WriteString(body)
			return rec.Result(), nil
		})}
		creds, err := w.Retrieve(t.Context())
		if want == "" {
			require.NoError(t, err)
			require.Equal(t, pki.Noon.Add(time.Hour), creds.Expires)
			continue
		}
		require.ErrorContains(t, err, want)
		require.Zero(t, creds)
	}
}

// A machine whose clock is wrong by an hour gets a session, with the expiry on its own clock.
func TestClockSkew(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		w := newWorld(t)
		w.server.AllowRefusals()
		w.Clock = clockFunc(func() time.Time { return pki.Noon.Add(off) })
		creds, err := w.Retrieve(t.Context())
		require.NoError(t, err)
		require.WithinDuration(t, pki.Noon.Add(off).Add(time.Hour), creds.Expires, 2*time.Second)
		require.Equal(t, 2, w.server.Count("CreateSession"))
		_, err = w.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, 3, w.server.Count("CreateSession"))

		w = newWorld(t)
		w.server.AllowRefusals()
		w.Clock, w.DisableClockSkewCorrection = clockFunc(func() time.Time { return pki.Noon.Add(off) }), true
		_, err = w.Retrieve(t.Context())
		require.ErrorContains(t, err, "AccessDeniedException: Signature ")
		require.Equal(t, 1, w.server.Count("CreateSession"))
	}
}
