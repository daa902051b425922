package servers_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/e2e/realserver"
	"github.com/stschain-go/stschain/minio"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
)

// TestMinIOCertificate works with objects over two refreshes by client certificate. The certificate is replaced before each
// of them: by one for another policy, and then by one that is valid for a shorter time.
func TestMinIOCertificate(t *testing.T) {
	ca := newAuthority(t)
	server := realserver.MinIOTLS(t, ca.folder(t), "MINIO_IDENTITY_TLS_ENABLE=on")
	roots := x509.NewCertPool()
	roots.AddCert(ca.certificate)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	with := func(p stschain.Provider) *http.Client {
		return &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: p, Base: transport}}
	}
	admin := with(stschain.Static(user, password, ""))
	do(t, admin, http.MethodPut, server.URL+"/bucket", "")
	do(t, admin, http.MethodPut, server.URL+"/bucket/shared", "by root")

	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	install := func(policy string, life time.Duration) {
		ca.issue(t, policy, life, x509.ExtKeyUsageClientAuth, certificate, key)
	}
	machine := &minio.Certificate{
		Client:          &stsquery.Client{Endpoint: server.URL, HTTPClient: &http.Client{Transport: transport}},
		CertificateFile: certificate, KeyFile: key, Duration: 15 * time.Minute,
	}
	install("readwrite", 24*time.Hour)
	clk, cache, refreshed := aheadOf(machine)
	client := with(cache)
	used := map[string]bool{}
	for generation := range 3 {
		object := fmt.Sprintf("%s/bucket/%d", server.URL, generation)
		switch generation {
		case 1: // the policy of the new certificate allows reading only
			require.Equal(t, http.StatusForbidden, status(t, client, http.MethodPut, object))
		default:
			do(t, client, http.MethodPut, object, "generation")
			require.Equal(t, "generation", do(t, client, http.MethodGet, object, ""))
		}
		require.Equal(t, "by root", do(t, client, http.MethodGet, server.URL+"/bucket/shared", ""))
		used[cache.Status().AccessKeyID] = true
		require.Equal(t, "refreshed <nil>", <-refreshed)
		if generation == 2 {
			break
		}
		if generation == 0 {
			install("readonly", 24*time.Hour)
		} else {
			install("readwrite", 10*time.Minute)
		}
		clk.Add(11 * time.Minute) // into the advisory window of five minutes
		do(t, client, http.MethodGet, server.URL+"/bucket/shared", "")
		require.Eventually(t, func() bool { return cache.Status().Attempts == uint64(generation)+2 && !cache.Status().Refreshing }, 10*time.Second, 10*time.Millisecond)
	}
	require.Len(t, used, 3, "two refreshes brought new credentials")
	require.LessOrEqual(t, cache.Status().Expires.Sub(clk.Now()), 10*time.Minute, "not longer than the certificate")

	// What MinIO refuses.
	newAuthority(t).issue(t, "readwrite", time.Hour, x509.ExtKeyUsageClientAuth, certificate, key)
	_, err := machine.Retrieve(t.Context())
	t.Log(err)
	require.ErrorContains(t, err, "InvalidClientCertificate")
	require.ErrorIs(t, err, stschain.ErrPermanent)
}

// status makes a request and returns its status.
func status(t *testing.T, client *http.Client, method, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("body"))
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	return resp.StatusCode
}

// TestMinIOCertificateOff is refused by a MinIO that does not have certificates.
func TestMinIOCertificateOff(t *testing.T) {
	ca := newAuthority(t)
	server := realserver.MinIOTLS(t, ca.folder(t))
	roots := x509.NewCertPool()
	roots.AddCert(ca.certificate)
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	ca.issue(t, "readwrite", time.Hour, x509.ExtKeyUsageClientAuth, certificate, key)
	_, err := (&minio.Certificate{
		Client: &stsquery.Client{
			Endpoint: server.URL, Retry: stsquery.Retry{MaxAttempts: 1},
			HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}},
		},
		CertificateFile: certificate, KeyFile: key,
	}).Retrieve(t.Context())
	require.ErrorContains(t, err, "STSNotInitialized")
	require.ErrorContains(t, err, "MINIO_IDENTITY_TLS_ENABLE=on")
}

// TestMinIOLDAP gets credentials for a user of a directory.
func TestMinIOLDAP(t *testing.T) {
	d := startDirectory(t)
	server := realserver.MinIO(t, "MINIO_IDENTITY_LDAP_SERVER_ADDR="+d.address, "MINIO_IDENTITY_LDAP_SERVER_INSECURE=on",
		"MINIO_IDENTITY_LDAP_LOOKUP_BIND_DN="+lookupDN, "MINIO_IDENTITY_LDAP_LOOKUP_BIND_PASSWORD="+lookupPass,
		"MINIO_IDENTITY_LDAP_USER_DN_SEARCH_BASE_DN="+baseDN, "MINIO_IDENTITY_LDAP_USER_DN_SEARCH_FILTER=(uid=%s)")
	admin := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: stschain.Static(user, password, "")}}
	do(t, admin, http.MethodPut, server.URL+"/bucket", "")
	alice := func() *minio.LDAP {
		return &minio.LDAP{Client: &stsquery.Client{Endpoint: server.URL}, Username: "alice", Password: returns(alicePass), Duration: 15 * time.Minute}
	}
	_, err := alice().Retrieve(t.Context())
	t.Log(err)
	require.ErrorContains(t, err, "mc idp ldap policy attach")

	do(t, admin, http.MethodPut, server.URL+"/minio/admin/v3/set-user-or-group-policy?"+url.Values{
		"policyName": {"readwrite"}, "userOrGroup": {aliceDN}, "isGroup": {"false"},
	}.Encode(), "")
	clk, cache, refreshed := aheadOf(alice())
	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: cache}}
	for generation := range 3 {
		do(t, client, http.MethodPut, server.URL+"/bucket/key", fmt.Sprint(generation))
		require.Equal(t, fmt.Sprint(generation), do(t, client, http.MethodGet, server.URL+"/bucket/key", ""))
		require.Equal(t, "refreshed <nil>", <-refreshed)
		if generation < 2 {
			clk.Add(16 * time.Minute) // they have expired, so that the next request waits
		}
	}

	reader := alice()
	reader.Policy = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::bucket/*"]}]}`
	client = &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: reader}}
	require.Equal(t, http.StatusForbidden, status(t, client, http.MethodPut, server.URL+"/bucket/key"))
	require.Equal(t, "2", do(t, client, http.MethodGet, server.URL+"/bucket/key", ""))

	for len(d.binds) > 0 {
		<-d.binds
	}
	mistaken := alice()
	mistaken.Password = returns(badPass)
	for range 5 {
		_, err = mistaken.Retrieve(t.Context())
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.NotContains(t, err.Error(), badPass)
	}
	require.ErrorContains(t, err, "because directories lock accounts")
	require.Len(t, d.binds, 1, "the directory sees the wrong password once")
	unknown := alice()
	unknown.Username = "mallory"
	_, err = unknown.Retrieve(t.Context())
	t.Log(err)
	require.ErrorContains(t, err, "MINIO_IDENTITY_LDAP_USER_DN_SEARCH_")
	require.NotContains(t, server.Log(), alicePass)
}

// TestMinIOCustomToken gets credentials with a token that an identity plug-in on loopback verifies.
func TestMinIOCustomToken(t *testing.T) {
	const token = "canary-4711/token&x=y"
	plugin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("token") != token {
			w.WriteHeader(http.StatusForbidden)
			json.NewEncoder(w).Encode(map[string]any{"reason": "unknown token"})
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"user": "alice", "maxValiditySeconds": 3600, "claims": map[string]any{}})
	}))
	defer plugin.Close()
	server := realserver.MinIO(t, "MINIO_IDENTITY_PLUGIN_URL="+plugin.URL+"/", "MINIO_IDENTITY_PLUGIN_ROLE_POLICY=readwrite", "MINIO_IDENTITY_PLUGIN_ROLE_ID=e2e")
	alice := func() *minio.CustomToken {
		return &minio.CustomToken{Client: &stsquery.Client{Endpoint: server.URL}, RoleARN: "arn:minio:iam:::role/idmp-e2e", Token: returns(token)}
	}
	require.Eventually(t, func() bool { // MinIO is ready before it has loaded the policies
		_, err := alice().Retrieve(t.Context())
		return err == nil
	}, 20*time.Second, 100*time.Millisecond)
	session, err := alice().AssumeRoleWithCustomToken(t.Context())
	require.NoError(t, err)
	require.Equal(t, "custom:alice", session.AssumedUser)
	require.InDelta(t, time.Hour, time.Until(session.Credentials.Expires), float64(time.Minute))
	short := alice()
	short.Duration = 2 * time.Minute
	creds, err := short.Retrieve(t.Context())
	require.NoError(t, err)
	require.InDelta(t, 2*time.Minute, time.Until(creds.Expires), float64(time.Minute))

	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: region, Credentials: alice()}}
	do(t, client, http.MethodPut, server.URL+"/bucket", "")
	do(t, client, http.MethodPut, server.URL+"/bucket/key", "by alice")
	require.Equal(t, "by alice", do(t, client, http.MethodGet, server.URL+"/bucket/key", ""))

	for name, change := range map[string]func(*minio.CustomToken){
		"unknown token":       func(p *minio.CustomToken) { p.Token = returns(token + "2") },
		"RoleARN must be the": func(p *minio.CustomToken) { p.RoleARN += "2" },
	} {
		p := alice()
		p.Client.Retry.MaxAttempts = 1
		change(p)
		_, err := p.Retrieve(t.Context())
		t.Log(err)
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), token)
	}
}
