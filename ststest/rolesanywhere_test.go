package ststest_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/source/rolesanywhere"
	"github.com/stschain-go/stschain/ststest"
)

const (
	anchorARN  = "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/0a1b"
	profileARN = "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/2c3d"
)

// certificate returns a certificate that signs itself, and the file of its key.
func certificate(t testing.TB, change func(*x509.Certificate)) (c *x509.Certificate, key []byte) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(4711), Subject: pkix.Name{CommonName: "worker"}, NotBefore: start.Add(-time.Hour), NotAfter: start.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	c, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return c, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// session returns a request for a session as it is sent, for a role that the server trusts.
func sessionRequest(t testing.TB, srv *ststest.Server, mock *clock.Mock, change func(*x509.Certificate)) []byte {
	c, key := certificate(t, change)
	srv.AddTrustAnchor(ststest.TrustAnchor{ARN: anchorARN, ProfileARN: profileARN, Certificates: []*x509.Certificate{c}, SessionNames: true})
	dir := t.TempDir()
	file := filepath.Join(dir, "all.pem")
	require.NoError(t, os.WriteFile(file, append(key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...), 0o600))
	var sent bytes.Buffer
	p := &rolesanywhere.Provider{
		TrustAnchorARN: anchorARN, ProfileARN: profileARN, RoleARN: roleARN, SessionName: "nightly", Duration: time.Hour,
		CertificateFile: file, KeyFile: file, Clock: mock, MaxAttempts: 1,
		HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if err := r.Write(&sent); err != nil {
				return nil, err
			}
			return nil, io.EOF
		})},
	}
	_, err := p.Retrieve(t.Context())
	require.ErrorIs(t, err, io.EOF)
	return sent.Bytes()
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// serve sends the bytes of a request. ok is false if no server can read it.
func serve(srv *ststest.Server, raw []byte) (rec *httptest.ResponseRecorder, ok bool) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, false
	}
	rec = httptest.NewRecorder()
	srv.ServeHTTP(rec, r)
	return rec, true
}

// TestSessionBytes changes each byte of a request: what is signed cannot be changed.
func TestSessionBytes(t *testing.T) {
	srv, mock := fixed(t)
	raw := sessionRequest(t, srv, mock, nil)
	rec, ok := serve(srv, raw)
	require.True(t, ok)
	require.Equal(t, 201, rec.Code, rec.Body)
	require.Contains(t, rec.Body.String(), `"arn":"arn:aws:sts::123456789012:assumed-role/backup/nightly"`)
	require.Equal(t, "application/json", rec.Header().Get("Content-Type"))

	srv.AllowRefusals()
	agent := bytes.Index(raw, []byte("User-Agent"))
	end := agent + bytes.IndexByte(raw[agent:], '\n')
	refused := 0
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i]++
		rec, ok := serve(srv, changed)
		switch {
		case !ok, rec.Code != 201:
			refused++
			continue
		case agent <= i && i <= end: // it is not signed
			continue
		}
		// The same request in another form: the case of a header's name, a scheme, white space.
		was, is := canonicalForm(t, raw), canonicalForm(t, changed)
		require.Equal(t, was, is, "the change of byte %d, %q, is accepted: %s", i, raw[max(i-20, 0):i+1], rec.Body)
	}
	require.Greater(t, refused, len(raw)*9/10)
}

// canonicalForm is what a server reads, without what is not signed.
func canonicalForm(t *testing.T, raw []byte) string {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	query, err := url.ParseQuery(r.URL.RawQuery)
	require.NoError(t, err)
	form := []string{r.Method, r.URL.Path, r.Host, query.Encode(), string(body)}
	for _, name := range []string{"Authorization", "Content-Type", "X-Amz-Date", "X-Amz-X509", "X-Amz-X509-Chain"} {
		form = append(form, strings.TrimSpace(r.Header.Get(name)))
	}
	return strings.Join(form, "\n")
}

// TestSessionRefusals changes a request before it is sent.
func TestSessionRefusals(t *testing.T) {
	replace := func(name, old, new string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, strings.Replace(r.Header.Get(name), old, new, 1)) }
	}
	query := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.RequestURI = strings.Replace(r.RequestURI, url.QueryEscape(old), url.QueryEscape(new), 1)
		}
	}
	body := func(s string) func(*http.Request) {
		return func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(s)) }
	}
	other, _ := certificate(t, nil)
	for name, tt := range map[string]struct {
		change  func(*http.Request)
		code    string
		message string
	}{
		"GET":                 {func(r *http.Request) { r.Method = http.MethodGet }, "ValidationException", "not a POST"},
		"unknown member":      {body(`{"x":1}`), "ValidationException", "x"},
		"two values":          {body(`{}{}`), "ValidationException", "JSON"},
		"short duration":      {body(`{"durationSeconds":899}`), "ValidationException", "899"},
		"long duration":       {body(`{"durationSeconds":43201}`), "ValidationException", "43201"},
		"session name":        {body(`{"roleSessionName":"a b"}`), "ValidationException", "roleSessionName"},
		"body":                {body(`{}`), "AccessDeniedException", "signature we calculated"},
		"unknown parameter":   {func(r *http.Request) { r.RequestURI += "&a=b" }, "ValidationException", "not a parameter"},
		"role":                {query("role/team/backup", "role/team/admin"), "AccessDeniedException", "signature we calculated"},
		"anchor":              {query("trust-anchor/0a1b", "trust-anchor/x"), "ResourceNotFoundException", "not found"},
		"profile":             {query("profile/2c3d", "profile/x"), "ResourceNotFoundException", "not found"},
		"no signature":        {func(r *http.Request) { r.Header.Del("Authorization") }, "AccessDeniedException", "AWS4-X509-ECDSA-SHA256"},
		"HMAC":                {replace("Authorization", "AWS4-X509-ECDSA-SHA256", "AWS4-HMAC-SHA256"), "AccessDeniedException", "algorithm"},
		"RSA":                 {replace("Authorization", "ECDSA", "RSA"), "AccessDeniedException", "algorithm"},
		"serial number":       {replace("Authorization", "4711/", "4712/"), "AccessDeniedException", "serial number"},
		"service":             {replace("Authorization", "/rolesanywhere/", "/sts/"), "AccessDeniedException", "correct service"},
		"region":              {replace("Authorization", "/eu-west-1/", "/eu-west-2/"), "AccessDeniedException", "valid region"},
		"date":                {replace("X-Amz-Date", "T120000Z", "T114459Z"), "AccessDeniedException", "Signature expired"},
		"unsigned type":       {replace("Authorization", "content-type;", ""), "AccessDeniedException", "'content-type' must be"},
		"unsigned":            {replace("Authorization", ";x-amz-x509", ""), "AccessDeniedException", "'x-amz-x509' must be"},
		"added chain":         {func(r *http.Request) { r.Header.Set("X-Amz-X509-Chain", base64.StdEncoding.EncodeToString(other.Raw)) }, "AccessDeniedException", "'x-amz-x509-chain' must be"},
		"another certificate": {func(r *http.Request) { r.Header.Set("X-Amz-X509", base64.StdEncoding.EncodeToString(other.Raw)) }, "AccessDeniedException", "signature we calculated"},
		"no certificate":      {func(r *http.Request) { r.Header.Del("X-Amz-X509") }, "ValidationException", "missing"},
		"two certificates":    {func(r *http.Request) { r.Header.Add("X-Amz-X509", "x") }, "ValidationException", "missing, twice"},
		"large certificate":   {func(r *http.Request) { r.Header.Set("X-Amz-X509-Chain", strings.Repeat("A", 200<<10)) }, "ValidationException", "too large"},
		"not base64":          {func(r *http.Request) { r.Header.Set("X-Amz-X509", "*") }, "ValidationException", "base64"},
		"malformed":           {func(r *http.Request) { r.Header.Set("X-Amz-X509", "MAA=") }, "ValidationException", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, mock := fixed(t)
			srv.AllowRefusals(tt.code)
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(sessionRequest(t, srv, mock, nil))))
			require.NoError(t, err)
			tt.change(r)
			rec := httptest.NewRecorder()
			srv.ServeHTTP(rec, r)
			require.NotEqual(t, 201, rec.Code)
			require.Equal(t, tt.code, rec.Header().Get("X-Amzn-Errortype"), rec.Body)
			require.Contains(t, rec.Body.String(), tt.message)
		})
	}
}

// The server refuses certificates that AWS does not accept, which the provider does not send.
func TestSessionCertificates(t *testing.T) {
	for name, change := range map[string]func(*x509.Certificate){
		"expired":   func(c *x509.Certificate) { c.NotAfter = start.Add(-time.Minute) },
		"not valid": func(c *x509.Certificate) { c.NotBefore = start.Add(time.Minute) },
		"key usage": func(c *x509.Certificate) { c.KeyUsage = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			srv, mock := fixed(t)
			srv.AllowRefusals()
			rec, ok := serve(srv, sessionRequest(t, srv, mock, change))
			require.True(t, ok)
			require.Equal(t, 403, rec.Code)
			require.Contains(t, rec.Body.String(), "Untrusted certificate. ")
		})
	}
	srv, mock := fixed(t)
	raw := sessionRequest(t, srv, mock, nil)
	other, _ := certificate(t, nil)
	srv.AddTrustAnchor(ststest.TrustAnchor{ARN: anchorARN, ProfileARN: profileARN, Certificates: []*x509.Certificate{other}})
	rec, _ := serve(srv, raw)
	require.Contains(t, rec.Body.String(), "Untrusted certificate. x509: ")
}

// TestRecordedSessions sends requests of AWS's credential helper.
func TestRecordedSessions(t *testing.T) {
	dir := filepath.Join(conformance.Dir(t), "rolesanywhere", "recorded")
	root, err := os.ReadFile(filepath.Join(dir, "root-cert.pem"))
	require.NoError(t, err)
	block, _ := pem.Decode(root)
	ca, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	intermediate, err := os.ReadFile(filepath.Join(dir, "intermediate-cert.pem"))
	require.NoError(t, err)
	block, _ = pem.Decode(intermediate)
	below, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	srv, mock := fixed(t)
	mock.Set(time.Date(2026, 11, 29, 21, 1, 27, 0, time.UTC))
	const arn = "arn:aws:rolesanywhere:us-east-1:000000000000:"
	const id = "41cl0bae-6783-40d4-ab20-65dc5d922e45"
	srv.AddTrustAnchor(ststest.TrustAnchor{
		ARN: arn + "trust-anchor/" + id, ProfileARN: arn + "profile/" + id, Certificates: []*x509.Certificate{ca, below}, SessionNames: true,
	})
	for _, name := range []string{"rsa2048", "rsa2048-chain-rsn", "p256-chain"} {
		raw, err := os.ReadFile(filepath.Join(dir, name+".request.txt"))
		require.NoError(t, err)
		head, body, _ := strings.Cut(string(raw), "\r\n\r\n") // the body without its chunks
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\n\r\n")))
		require.NoError(t, err)
		r.Body = io.NopCloser(strings.NewReader(body))
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, r)
		require.Equal(t, 201, rec.Code, "%s: %s", name, rec.Body)
	}
}

func TestAddTrustAnchor(t *testing.T) {
	fake := &fakeT{}
	srv := ststest.NewTest(fake)
	srv.AddTrustAnchor(ststest.TrustAnchor{ARN: profileARN})
	require.Contains(t, fake.reports(), "AddTrustAnchor")
	fake.end()
}
