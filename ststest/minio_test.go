package ststest_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

const minioRole = "arn:minio:iam:::role/idmp-test"

// minioServer is a server with a directory and a plug-in.
func minioServer(t *testing.T, change func(*ststest.MinIO)) *ststest.Server {
	srv, _ := fixed(t)
	m := ststest.MinIO{
		Passwords: map[string]stschain.Secret{"alice": stschain.NewSecret("correct-horse")},
		Tokens:    map[string]stschain.Secret{"bob": stschain.NewSecret("opaque-token")},
	}
	if change != nil {
		change(&m)
	}
	srv.AddMinIO(m)
	return srv
}

func ldapForm(pairs ...string) url.Values {
	return minioForm("AssumeRoleWithLDAPIdentity", append([]string{"LDAPUsername", "alice", "LDAPPassword", "correct-horse"}, pairs...)...)
}

func tokenQuery(pairs ...string) url.Values {
	return minioForm("AssumeRoleWithCustomToken", append([]string{"Token", "opaque-token", "RoleArn", minioRole}, pairs...)...)
}

// minioForm has the parameters of an operation; of a name that occurs twice, the last value.
func minioForm(action string, pairs ...string) url.Values {
	v := url.Values{"Action": {action}, "Version": {"2011-06-15"}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func minioRequest(query, body url.Values) []byte {
	r := httptest.NewRequest(http.MethodPost, "https://minio.example/", strings.NewReader(body.Encode()))
	r.URL.RawQuery = query.Encode()
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	var raw bytes.Buffer
	if err := r.Write(&raw); err != nil {
		panic(err)
	}
	return raw.Bytes()
}

func TestMinIO(t *testing.T) {
	srv := minioServer(t, func(m *ststest.MinIO) { m.ConfigName = "corp" })
	for name, raw := range map[string][]byte{
		"AssumeRoleWithLDAPIdentity": minioRequest(nil, ldapForm("DurationSeconds", "900", "ConfigName", "corp", "Policy", `{"Version":"2012-10-17"}`, "TokenRevokeType", "x")),
		"AssumeRoleWithCustomToken":  minioRequest(tokenQuery("DurationSeconds", "60"), nil),
	} {
		rec, ok := serve(srv, raw)
		require.True(t, ok)
		require.Equal(t, 200, rec.Code, rec.Body)
		require.Contains(t, rec.Body.String(), "<"+name+"Result>")
		require.Equal(t, name == "AssumeRoleWithCustomToken", strings.Contains(rec.Body.String(), "<AssumedUser>custom:bob</AssumedUser>"))
	}
	for _, call := range srv.Calls() {
		for _, secret := range []string{"correct-horse", "opaque-token"} {
			require.NotContains(t, call.Form.Encode(), secret)
		}
	}
	srv.AllowRefusals("MissingAuthenticationToken") // the operations of AWS are still there
	rec, ok := serve(srv, minioRequest(nil, minioForm("AssumeRole")))
	require.True(t, ok)
	require.Contains(t, rec.Body.String(), "MissingAuthenticationToken")
}

func TestMinIORefusals(t *testing.T) {
	for name, test := range map[string]struct {
		change      func(*ststest.MinIO)
		query, body url.Values
		status      int
		code        string
	}{
		"password":             {nil, nil, ldapForm("LDAPPassword", "wrong"), 400, "InvalidParameterValue"},
		"user":                 {nil, nil, ldapForm("LDAPUsername", "mallory"), 400, "InvalidParameterValue"},
		"no password":          {nil, nil, ldapForm("LDAPPassword", ""), 400, "MissingParameter"},
		"other directory":      {nil, nil, ldapForm("ConfigName", "other"), 400, "InvalidParameterValue"},
		"policy":               {nil, nil, ldapForm("Policy", "{}"), 400, "InvalidParameterValue"},
		"long policy":          {nil, nil, ldapForm("Policy", `{"Version":"`+strings.Repeat("x", 2048)+`"}`), 400, "InvalidParameterValue"},
		"short duration":       {nil, nil, ldapForm("DurationSeconds", "899"), 400, "InvalidParameterValue"},
		"long duration":        {nil, nil, ldapForm("DurationSeconds", "31536001"), 400, "InvalidParameterValue"},
		"unknown parameter":    {nil, nil, ldapForm("RoleArn", "x"), 400, "InvalidQueryParameter"},
		"version":              {nil, nil, ldapForm("Version", "2010-05-08"), 400, "InvalidParameterValue"},
		"LDAP in the query":    {nil, ldapForm(), nil, 400, "InvalidParameterValue"},
		"no directory":         {func(m *ststest.MinIO) { m.Passwords = nil }, nil, ldapForm(), 400, "InvalidParameterValue"},
		"token":                {nil, tokenQuery("Token", "other"), nil, 500, "InternalError"},
		"no token":             {nil, tokenQuery("Token", ""), nil, 400, "InvalidParameterValue"},
		"role":                 {nil, tokenQuery("RoleArn", "arn:minio:iam:::role/idmp-other"), nil, 400, "InvalidParameterValue"},
		"token in the form":    {nil, minioForm("AssumeRoleWithCustomToken"), url.Values{"Token": {"opaque-token"}}, 400, "InvalidParameterValue"},
		"no duration":          {nil, tokenQuery("DurationSeconds", "0"), nil, 400, "InvalidParameterValue"},
		"no plug-in":           {func(m *ststest.MinIO) { m.Tokens = nil }, tokenQuery(), nil, 503, "STSNotInitialized"},
		"no certificates":      {nil, minioForm("AssumeRoleWithCertificate"), nil, 503, "STSNotInitialized"},
		"certificate, no TLS":  {func(m *ststest.MinIO) { m.ClientCAs = []*x509.Certificate{} }, minioForm("AssumeRoleWithCertificate"), nil, 400, "InsecureConnection"},
		"certificate, by form": {nil, nil, minioForm("AssumeRoleWithCertificate"), 400, "InvalidParameterValue"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := minioServer(t, test.change)
			srv.AllowRefusals()
			rec, ok := serve(srv, minioRequest(test.query, test.body))
			require.True(t, ok)
			require.Equal(t, test.status, rec.Code, rec.Body)
			require.Contains(t, rec.Body.String(), "<Code>"+test.code+"</Code>")
		})
	}
}

// TestMinIOBytes changes each byte of a request. Only one that means the same is accepted.
func TestMinIOBytes(t *testing.T) {
	for name, raw := range map[string][]byte{
		"LDAP":  minioRequest(nil, ldapForm()),
		"token": minioRequest(tokenQuery(), nil),
	} {
		t.Run(name, func(t *testing.T) {
			srv := minioServer(t, nil)
			rec, ok := serve(srv, raw)
			require.True(t, ok)
			require.Equal(t, 200, rec.Code, rec.Body)
			srv.AllowRefusals()
			meaning := func(raw []byte) string {
				r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
				require.NoError(t, err)
				body, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				query, err := url.ParseQuery(r.URL.RawQuery)
				require.NoError(t, err)
				form, err := url.ParseQuery(string(body))
				require.NoError(t, err)
				return r.Method + query.Encode() + form.Encode()
			}
			refused := 0
			for i := range raw {
				changed := bytes.Clone(raw)
				changed[i]++
				rec, ok := serve(srv, changed)
				if !ok || rec.Code != 200 {
					refused++
					continue
				}
				require.Equal(t, meaning(raw), meaning(changed), "the change of byte %d, %q, is accepted", i, raw[max(i-20, 0):i+1])
			}
			require.Greater(t, refused, len(raw)/2)
		})
	}
}

// TestMinIOCertificate has a certificate of each kind in a connection with TLS.
func TestMinIOCertificate(t *testing.T) {
	clientAuth := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }
	trusted, _ := certificate(t, clientAuth)
	stranger, _ := certificate(t, clientAuth)
	soon, _ := certificate(t, func(c *x509.Certificate) { clientAuth(c); c.NotAfter = start.Add(10 * time.Minute) })
	expired, _ := certificate(t, func(c *x509.Certificate) { clientAuth(c); c.NotAfter = start.Add(-time.Minute) })
	server, _ := certificate(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	nameless, _ := certificate(t, func(c *x509.Certificate) { clientAuth(c); c.Subject.CommonName = "" })
	authority, _ := certificate(t, func(c *x509.Certificate) { clientAuth(c); c.IsCA = true })
	for name, test := range map[string]struct {
		sent []*x509.Certificate
		code string
		ends time.Duration
	}{
		"trusted":        {[]*x509.Certificate{trusted}, "", time.Hour},
		"soon":           {[]*x509.Certificate{soon}, "", 10 * time.Minute},
		"with authority": {[]*x509.Certificate{trusted, authority}, "", time.Hour},
		"none":           {nil, "MissingParameter", 0},
		"authority":      {[]*x509.Certificate{authority}, "MissingParameter", 0},
		"two":            {[]*x509.Certificate{trusted, soon}, "InvalidParameterValue", 0},
		"stranger":       {[]*x509.Certificate{stranger}, "InvalidClientCertificate", 0},
		"expired":        {[]*x509.Certificate{expired}, "InvalidClientCertificate", 0},
		"of a server":    {[]*x509.Certificate{server}, "InvalidClientCertificate", 0},
		"without a name": {[]*x509.Certificate{nameless}, "MissingParameter", 0},
	} {
		t.Run(name, func(t *testing.T) {
			srv := minioServer(t, func(m *ststest.MinIO) {
				m.ClientCAs = []*x509.Certificate{trusted, soon, expired, server, nameless, authority}
			})
			r := httptest.NewRequest(http.MethodPost, "/?"+minioForm("AssumeRoleWithCertificate").Encode(), nil)
			r.TLS = &tls.ConnectionState{PeerCertificates: test.sent}
			rec := httptest.NewRecorder()
			srv.ServeHTTP(rec, r)
			if test.code != "" {
				require.Contains(t, rec.Body.String(), "<Code>"+test.code+"</Code>")
				return
			}
			require.Equal(t, 200, rec.Code, rec.Body)
			require.Contains(t, rec.Body.String(), "<Expiration>"+start.Add(test.ends).Format(time.RFC3339)+"</Expiration>")
		})
	}
}
