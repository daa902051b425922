package iot_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/pki"
	"github.com/stschain-go/stschain/ststest"
)

// Certificates that are not valid are an error without a request.
func TestCertificates(t *testing.T) {
	for want, content := range map[string]func(*world) []byte{
		"expired at 2026-12-01T11:55:00Z, 5m0s ago; renew it": func(w *world) []byte {
			return pki.PEM(w.root.Issue(pki.EC(), func(c *x509.Certificate) { c.NotAfter = pki.Noon.Add(-5 * time.Minute) }))
		},
		"is not valid until 2026-12-01T12:05:01Z, 5m1s from now; check this machine's clock": func(w *world) []byte {
			return pki.PEM(w.root.Issue(pki.EC(), func(c *x509.Certificate) { c.NotBefore = pki.Noon.Add(5*time.Minute + time.Second) }))
		},
		"it contains no certificate in PEM": func(*world) []byte { return pki.KeyPEM(pki.EC()) },
		"the private key does not fit the certificate CN=worker (serial number 4711, from ": func(w *world) []byte {
			return pki.PEM(w.root.Issue(pki.RSA(), nil))
		},
	} {
		w := newWorld(t)
		require.NoError(t, os.WriteFile(w.certificate, content(w), 0o600))
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, w.certificate)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Empty(t, w.server.Calls())
	}
}

// Refusals of the service say what to check.
func TestRefusals(t *testing.T) {
	for want, change := range map[string]func(*world){
		"404 Not Found, Role alias does not exist; RoleAlias must exist":                            func(w *world) { w.RoleAlias = "other" },
		"403 Forbidden, Invalid thing name passed; ThingName must be a thing to which":              func(w *world) { w.ThingName = "camera-0043" },
		"403 Forbidden, Access Denied; a policy that is attached to the certificate":                func(w *world) { w.ThingName = "" },
		"403 Forbidden, AccessDeniedException: Certificate is invalid on this endpoint; the certif": func(w *world) { w.install(t, pki.EC(), pki.Root().Issue(pki.EC(), nil)) },
		"400 Bad Request, Unable to assume the role, or the role to assume does not exist; the rol": func(w *world) {
			w.server.AddRole(ststest.Role{ARN: roleARN, Trusted: []string{"123456789012"}})
		},
		"400 Bad Request, The requested CredentialDurationSeconds exceeds the MaxSessionDuration s": func(w *world) {
			w.server.AddRole(ststest.Role{ARN: roleARN, Trusted: []string{"credentials.iot.amazonaws.com"}, MaxDuration: 30 * time.Minute})
		},
	} {
		w := newWorld(t)
		change(w)
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, w.String()+": "+endpoint+" returned "+want)
		require.ErrorContains(t, err, "; the certificate CN=worker (serial number 4711, from "+w.certificate+") is valid until 2026-12-31T12:00:00Z")
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Len(t, w.server.Calls(), 1)
	}
	w := newWorld(t)
	w.server.CallsPerSecond = 1
	_, err := w.Retrieve(t.Context())
	require.NoError(t, err)
	w.MaxAttempts = 1
	_, err = w.Retrieve(t.Context())
	require.ErrorIs(t, err, stschain.ErrThrottled)
	require.NotErrorIs(t, err, stschain.ErrPermanent)
	w.server.FailAll(ststest.Refuse(503, "ServiceUnavailable", "no"))
	_, err = w.Retrieve(t.Context())
	require.ErrorContains(t, err, "returned 503 Service Unavailable")
	require.NotErrorIs(t, err, stschain.ErrPermanent)
}

// The response is that of a service that may be another one.
func TestResponses(t *testing.T) {
	const keys = `"accessKeyId":"ASIA1","secretAccessKey":"s","sessionToken":"t"`
	w := newWorld(t)
	w.MaxAttempts = 1
	for body, want := range map[string]string{
		`{"credentials":{` + keys + `,"expiration":"2026-12-01T13:00:00Z"}}`:                                                   "",
		`{"Credentials":{"AccessKeyId":"ASIA1","SecretAccessKey":"s","SessionToken":"t","Expiration":"2026-12-01T13:00:00Z"}}`: "",
		`{"credentials":{` + keys + `}}`:                                          "invalid response of " + endpoint + ": the credentials have no expiration",
		`{"credentials":{` + keys + `,"expiration":"soon"}}`:                      "its Expiration is not a valid time",
		`{"credentials":{"accessKeyId":"ASIA1","secretAccessKey":"s"}}`:           "it has no sessionToken",
		`{"credentials":{"accessKeyId":"ASIA1","sessionToken":"t"}}`:              "it has no SecretAccessKey",
		`{"credentials":null}`:                                                    "it is not a JSON object",
		`{"message":"Access Denied"}`:                                             "not a JSON object with credentials",
		`<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>`: "not a JSON object with credentials",
		`<html>Sign in to the network</html>`:                                     "not a JSON object with credentials",
		``:                                                                        "not a JSON object with credentials",
	} {
		w.respond(t, 200, nil, body)
		creds, err := w.Retrieve(t.Context())
		if want == "" {
			require.NoError(t, err)
			require.Equal(t, pki.Noon.Add(time.Hour), creds.Expires)
			continue
		}
		require.ErrorContains(t, err, want)
		require.Zero(t, creds)
	}
	w.respond(t, 403, nil, "<html>Forbidden</html>")
	_, err := w.Retrieve(t.Context())
	require.ErrorContains(t, err, "returned 403 Forbidden")
	require.NotErrorIs(t, err, stschain.ErrPermanent, "it is not the service's")
	w.respond(t, 302, http.Header{"Location": {"https://iot.example/"}}, "")
	_, err = w.Retrieve(t.Context())
	require.ErrorContains(t, err, "returned 302 Found")
}

// A session shorter than the windows of a Cache is used until it expires, and the service is not called for each request.
func TestShortSessions(t *testing.T) {
	w := newWorld(t)
	w.server.Lifetime = 20 * time.Second
	c := &stschain.Cache{Provider: w.Provider, Clock: w.clock}
	for range 5 {
		first, err := c.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, w.clock.Now().Add(20*time.Second), first.Expires)
		for range 100 {
			again, err := c.Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, first, again)
		}
		w.clock.Add(time.Minute)
	}
	require.Equal(t, 5, w.server.Count("AssumeRoleWithCertificate"))
}

// Expires is on this machine's clock.
func TestClockSkew(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		w := newWorld(t)
		w.DisableClockSkewCorrection = disabled
		w.Clock = clockFunc(func() time.Time { return pki.Noon.Add(-time.Hour) })
		creds, err := w.Retrieve(t.Context())
		require.NoError(t, err)
		want := pki.Noon
		if disabled {
			want = pki.Noon.Add(time.Hour)
		}
		require.WithinDuration(t, want, creds.Expires, 2*time.Second)
	}
}

type clockFunc func() time.Time

func (f clockFunc) Now() time.Time { return f() }

// A server that rejects the certificate in TLS sends one of these alerts.
func TestRejectedInTLS(t *testing.T) {
	w := newWorld(t)
	w.MaxAttempts = 1
	for alert, permanent := range map[byte]bool{42: true, 44: true, 45: true, 46: true, 48: true, 116: true, 40: false, 80: false} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() {
			conn, err := l.Accept()
			if err != nil {
				done <- err
				return
			}
			defer conn.Close()
			head := make([]byte, 5)
			if _, err = io.ReadFull(conn, head); err == nil {
				_, err = io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint16(head[3:])))
			}
			if err == nil {
				_, err = conn.Write([]byte{21, 3, 3, 0, 2, 2, alert})
			}
			done <- err
		}()
		w.HTTPClient = &http.Client{Transport: transport(l.Addr().String(), pki.Root(), w.clock.Now)}
		_, err = w.Retrieve(t.Context())
		require.NoError(t, <-done)
		require.NoError(t, l.Close())
		require.ErrorContains(t, err, tls.AlertError(alert).Error())
		require.Equal(t, permanent, errors.Is(err, stschain.ErrPermanent), err)
		if permanent {
			require.ErrorContains(t, err, "; the certificate must be registered and active in the account and region of Endpoint")
			require.ErrorContains(t, err, "is valid until 2026-12-31T12:00:00Z")
		}
	}
}

// A server that does not request the certificate is another one, such as a proxy that inspects TLS.
func TestNoRequestForCertificate(t *testing.T) {
	w := newWorld(t)
	w.serve(t, w.server, func(c *tls.Config) { c.ClientAuth = tls.NoClientCert })
	w.server.AllowRefusals()
	_, err := w.Retrieve(t.Context())
	require.ErrorContains(t, err, "There is no certificate of the device.; the server did not request the certificate: check Endpoint, and whether a proxy inspects TLS")
}

// A server that lists other authorities gets the certificate nevertheless: it may be registered without its authority.
func TestOtherAuthorities(t *testing.T) {
	w := newWorld(t)
	w.serve(t, w.server, func(c *tls.Config) {
		c.ClientCAs = x509.NewCertPool()
		c.ClientCAs.AddCert(pki.Root().Certificate)
	})
	_, err := w.Retrieve(t.Context())
	require.NoError(t, err)
}

// The host in TLS is that of the endpoint.
func TestServerName(t *testing.T) {
	w := newWorld(t)
	w.server.AllowRefusals()
	w.HTTPClient.Transport.(*http.Transport).TLSClientConfig.ServerName = "iot.example"
	_, err := w.Retrieve(t.Context())
	require.ErrorContains(t, err, `The host is "`+endpoint+`", and in TLS it is "iot.example".`)
}

// token is a secure element with a key.
type token struct {
	crypto.Signer
	sign func(digest []byte, opts crypto.SignerOpts) ([]byte, error)
}

func (t token) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return t.sign(digest, opts)
}

func TestSigner(t *testing.T) {
	broken := errors.New("no secure element")
	for want, sign := range map[string]func([]byte, crypto.SignerOpts) ([]byte, error){
		"":                                    func(d []byte, o crypto.SignerOpts) ([]byte, error) { return pki.EC().Sign(rand.Reader, d, o) },
		"the signer failed: no secure elemen": func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, broken },
		"the signer failed: it panicked: no":  func([]byte, crypto.SignerOpts) ([]byte, error) { panic("no slot") },
	} {
		w := newWorld(t)
		w.MaxAttempts = 1
		w.KeyFile = ""
		w.Signer = func(context.Context) (crypto.Signer, error) { return token{pki.EC(), sign}, nil }
		for range 2 {
			_, err := w.Retrieve(t.Context())
			if want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, want)
			}
		}
	}
}

// A signer that hangs is abandoned when the context ends. It runs once, however often it is called.
func TestSignerHangs(t *testing.T) {
	w := newWorld(t)
	release, running := make(chan bool), make(chan bool, 9)
	w.KeyFile = ""
	w.Signer = func(context.Context) (crypto.Signer, error) {
		return token{pki.EC(), func(d []byte, o crypto.SignerOpts) ([]byte, error) {
			running <- true
			<-release
			return pki.EC().Sign(rand.Reader, d, o)
		}}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-running
		cancel()
	}()
	_, err := w.Retrieve(ctx)
	require.ErrorIs(t, err, context.Canceled)
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = w.Retrieve(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, running)
	close(release)
	_, err = w.Retrieve(t.Context())
	require.NoError(t, err)
}

// A token that needs a PIN prompts only where a caller waits that can prompt.
func TestPrompt(t *testing.T) {
	w := newWorld(t)
	w.KeyFile = ""
	w.Signer = func(ctx context.Context) (crypto.Signer, error) { return pki.EC(), stschain.Prompt(ctx) }
	_, err := w.Retrieve(stschain.WithoutPrompt(t.Context()))
	require.ErrorIs(t, err, stschain.ErrPrompt)
	require.NotErrorIs(t, err, stschain.ErrPermanent)
	require.Empty(t, w.server.Calls())
	_, err = (&stschain.Cache{Provider: w.Provider, Clock: w.clock}).Retrieve(t.Context())
	require.NoError(t, err)
}
