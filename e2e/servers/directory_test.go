package servers_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jimlambrt/gldap"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

const (
	baseDN     = "dc=example,dc=com"
	lookupDN   = "cn=minio," + baseDN
	aliceDN    = "uid=alice," + baseDN
	lookupPass = "lookup-password"
	alicePass  = "canary-4711-ldap" // of a directory
	badPass    = "canary-4711-wrong"
)

// directory is an LDAP server with alice and the account of MinIO, which counts the binds of alice.
type directory struct {
	address   string
	binds     chan bool
	anonymous chan bool // binds without a name
}

func startDirectory(t *testing.T) directory {
	t.Helper()
	d := directory{binds: make(chan bool, 100), anonymous: make(chan bool, 1)}
	mux, err := gldap.NewMux()
	require.NoError(t, err)
	require.NoError(t, mux.Bind(d.bind))
	require.NoError(t, mux.Search(search))
	for range 5 { // another process may take the port
		s, err := gldap.NewServer(gldap.WithLogger(hclog.New(&hclog.LoggerOptions{Output: io.Discard})))
		require.NoError(t, err)
		require.NoError(t, s.Router(mux))
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		d.address = l.Addr().String()
		require.NoError(t, l.Close())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(d.address) }()
		for {
			err := d.reach()
			if err == nil {
				t.Cleanup(func() {
					require.NoError(t, d.reach())
					s.Stop()
					<-ended
				})
				return d
			}
			select {
			case err = <-ended:
			case <-time.After(10 * time.Millisecond):
				continue
			}
			t.Log(err)
			break
		}
	}
	t.Fatal("no directory")
	return d
}

// reach returns nil once this server, and not another one at its address, has served a connection. Stop needs that too: the server
// counts connections in a sync.WaitGroup that Stop waits for, and nothing else orders the two.
func (d directory) reach() error {
	c, err := net.Dial("tcp", d.address)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00")); err != nil { // an anonymous bind
		return err
	}
	select {
	case <-d.anonymous:
		return nil
	case <-time.After(20 * time.Second):
		return errors.New("the directory does not respond")
	}
}

func (d directory) bind(w *gldap.ResponseWriter, r *gldap.Request) {
	resp := r.NewBindResponse(gldap.WithResponseCode(gldap.ResultInvalidCredentials))
	defer func() { w.Write(resp) }()
	m, err := r.GetSimpleBindMessage()
	if err != nil {
		return
	}
	if m.UserName == "" {
		d.anonymous <- true
		return
	}
	ok := map[string]string{lookupDN: lookupPass, aliceDN: alicePass}[m.UserName] == string(m.Password) && m.Password != ""
	if m.UserName == aliceDN {
		d.binds <- ok
	}
	if ok {
		resp.SetResultCode(gldap.ResultSuccess)
	}
}

// search finds the base and alice.
func search(w *gldap.ResponseWriter, r *gldap.Request) {
	done := r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess))
	defer func() { w.Write(done) }()
	m, err := r.GetSearchMessage()
	if err != nil {
		return
	}
	switch {
	case m.Scope == gldap.BaseObject && m.BaseDN == baseDN:
		w.Write(r.NewSearchResponseEntry(baseDN))
	case strings.EqualFold(m.BaseDN, aliceDN) || strings.Contains(m.Filter, "uid=alice)"):
		w.Write(r.NewSearchResponseEntry(aliceDN, gldap.WithAttributes(map[string][]string{"uid": {"alice"}})))
	}
}

// authority issues certificates for TLS on loopback.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "e2e"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return authority{c, key}
}

// issue writes a certificate and its key, valid for life.
func (a authority) issue(t *testing.T, name string, life time.Duration, usage x509.ExtKeyUsage, certificateFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certificateFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
}

// folder is what MinIO needs for TLS.
func (a authority) folder(t *testing.T) string {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "CAs"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "CAs", "e2e.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}), 0o600))
	a.issue(t, "localhost", 24*time.Hour, x509.ExtKeyUsageServerAuth, filepath.Join(dir, "public.crt"), filepath.Join(dir, "private.key"))
	return dir
}

func returns(format string, args ...any) func(context.Context) (stschain.Secret, error) {
	return func(context.Context) (stschain.Secret, error) {
		return stschain.NewSecret(fmt.Sprintf(format, args...)), nil
	}
}
