package ststest_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

const iotHost = "c2a1b3.credentials.iot.eu-west-1.amazonaws.com"

// device returns a server with a role alias, the certificate of a device, and its request as it is sent.
func device(t *testing.T) (srv *ststest.Server, leaf *x509.Certificate, raw []byte) {
	srv, _ = fixed(t)
	leaf, _ = certificate(t, nil)
	srv.AddRoleAlias(ststest.RoleAlias{
		Name: "camera-upload", RoleARN: roleARN, Certificates: []*x509.Certificate{leaf}, Things: map[string][]string{"worker": {"camera-0042"}},
	})
	return srv, leaf, []byte("GET /role-aliases/camera-upload/credentials HTTP/1.1\r\nHost: " + iotHost + "\r\nUser-Agent: x\r\nX-Amzn-Iot-Thingname: camera-0042\r\n\r\n")
}

// sendDevice sends the bytes of a request over a connection with these certificates. ok is false if no server can read it.
func sendDevice(srv *ststest.Server, raw []byte, certificates ...*x509.Certificate) (rec *httptest.ResponseRecorder, ok bool) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, false
	}
	r.TLS = &tls.ConnectionState{ServerName: iotHost, PeerCertificates: certificates}
	rec = httptest.NewRecorder()
	srv.ServeHTTP(rec, r)
	return rec, true
}

// TestDeviceBytes changes each byte of a request and of the certificate: no change is accepted.
func TestDeviceBytes(t *testing.T) {
	srv, leaf, raw := device(t)
	rec, ok := sendDevice(srv, raw, leaf)
	require.True(t, ok)
	require.Equal(t, 200, rec.Code, rec.Body)
	require.Equal(t, "application/json", rec.Header().Get("Content-Type"))

	srv.AllowRefusals()
	form := func(raw []byte) string {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		require.NoError(t, err)
		return strings.Join([]string{r.Method, r.RequestURI, r.Host, strings.TrimSpace(r.Header.Get("X-Amzn-Iot-Thingname"))}, "\n")
	}
	agent := bytes.Index(raw, []byte("User-Agent"))
	end := agent + bytes.IndexByte(raw[agent:], '\n')
	refused := 0
	for i := range raw {
		for _, change := range []byte{1, 0x20, 0x80} {
			changed := bytes.Clone(raw)
			changed[i] ^= change
			rec, ok := sendDevice(srv, changed, leaf)
			switch {
			case !ok, rec.Code != 200:
				refused++
			case agent <= i && i <= end: // what the client calls itself does not count
			default: // the same request in another form: the case of a header's name, white space
				require.Equal(t, form(raw), form(changed), "the change of byte %d is accepted", i)
			}
		}
	}
	require.Greater(t, refused, len(raw)*2)
	for i := range leaf.Raw {
		changed := bytes.Clone(leaf.Raw)
		changed[i]++
		other, err := x509.ParseCertificate(changed)
		if err != nil {
			continue
		}
		rec, ok := sendDevice(srv, raw, other)
		require.True(t, ok)
		require.NotEqual(t, 200, rec.Code, "byte %d of the certificate", i)
	}
}

// TestDeviceRefusals sends requests that the service refuses.
func TestDeviceRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(*ststest.Server, *http.Request)
		status  int
		message string
	}{
		"method":         {func(_ *ststest.Server, r *http.Request) { r.Method = "POST" }, 400, "not a GET"},
		"query":          {func(_ *ststest.Server, r *http.Request) { r.RequestURI += "?a=b" }, 400, "without a query"},
		"body":           {func(_ *ststest.Server, r *http.Request) { r.Body = io.NopCloser(strings.NewReader("x")) }, 400, "without a body"},
		"two things":     {func(_ *ststest.Server, r *http.Request) { r.Header.Add("X-Amzn-Iot-Thingname", "x") }, 400, "two thing names"},
		"another thing":  {func(_ *ststest.Server, r *http.Request) { r.Header.Set("X-Amzn-Iot-Thingname", "camera-0043") }, 403, "Invalid thing name passed"},
		"no thing":       {func(_ *ststest.Server, r *http.Request) { r.Header.Del("X-Amzn-Iot-Thingname") }, 403, "Access Denied"},
		"another alias":  {func(_ *ststest.Server, r *http.Request) { r.RequestURI = "/role-aliases/other/credentials" }, 404, "Role alias does not exist"},
		"another path":   {func(_ *ststest.Server, r *http.Request) { r.RequestURI = "/role-aliases/camera-upload" }, 404, "Role alias does not exist"},
		"plain http":     {func(_ *ststest.Server, r *http.Request) { r.TLS = nil }, 400, "no certificate"},
		"no certificate": {func(_ *ststest.Server, r *http.Request) { r.TLS.PeerCertificates = nil }, 400, "no certificate"},
		"another host":   {func(_ *ststest.Server, r *http.Request) { r.Host = "other.example:443" }, 400, `The host is \"other.example\", and in TLS`},
		"no SNI":         {func(_ *ststest.Server, r *http.Request) { r.TLS.ServerName = "" }, 400, "in TLS it is"},
		"another certificate": {func(_ *ststest.Server, r *http.Request) {
			r.TLS.PeerCertificates[0], _ = certificate(t, nil)
		}, 403, "Certificate is invalid on this endpoint"},
		"expired": {func(srv *ststest.Server, r *http.Request) {
			expired, _ := certificate(t, func(c *x509.Certificate) { c.NotAfter = start.Add(-time.Second) })
			r.TLS.PeerCertificates[0] = expired
			srv.AddRoleAlias(ststest.RoleAlias{Name: "camera-upload", RoleARN: roleARN, Certificates: []*x509.Certificate{expired}})
		}, 403, "Certificate is invalid on this endpoint"},
		"no trust": {func(srv *ststest.Server, _ *http.Request) {
			srv.AddRole(ststest.Role{ARN: roleARN, Trusted: []string{"rolesanywhere.amazonaws.com"}})
		}, 400, "Unable to assume the role"},
		"undeclared": {func(srv *ststest.Server, _ *http.Request) { srv.DenyUndeclared = true }, 400, "Unable to assume the role"},
		"too long": {func(srv *ststest.Server, _ *http.Request) {
			srv.AddRole(ststest.Role{ARN: roleARN, MaxDuration: 15 * time.Minute})
		}, 400, "exceeds the MaxSessionDuration"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, leaf, raw := device(t)
			srv.AllowRefusals()
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
			require.NoError(t, err)
			r.TLS = &tls.ConnectionState{ServerName: iotHost, PeerCertificates: []*x509.Certificate{leaf}}
			tt.change(srv, r)
			rec := httptest.NewRecorder()
			srv.ServeHTTP(rec, r)
			require.Equal(t, tt.status, rec.Code, rec.Body)
			require.Contains(t, rec.Body.String(), tt.message)
			require.NotEmpty(t, rec.Header().Get("X-Amzn-Requestid"))
		})
	}
}

// An address has no name in TLS.
func TestDeviceAtAddress(t *testing.T) {
	srv, leaf, raw := device(t)
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.Replace(raw, []byte(iotHost), []byte("127.0.0.1:8443"), 1))))
	require.NoError(t, err)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
	rec := httptest.NewRecorder()
	srv.ServeHTTP(rec, r)
	require.Equal(t, 200, rec.Code, rec.Body)
}

func TestAddRoleAlias(t *testing.T) {
	fake := &fakeT{}
	srv := ststest.NewTest(fake)
	srv.AddRoleAlias(ststest.RoleAlias{Name: "x", RoleARN: roleARN})
	require.Contains(t, fake.reports(), "AddRoleAlias")
	fake.end()
}
