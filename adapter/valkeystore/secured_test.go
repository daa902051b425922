//go:build unix

package valkeystore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"

	"github.com/stschain-go/stschain/adapter/valkeystore"
	"github.com/stschain-go/stschain/shared"
)

const password = "hunter4711-of-the-store"

// rights returns the arguments of the ACL SETUSER that the package's manual documents.
func rights(t *testing.T) []string {
	manual, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	line := regexp.MustCompile(`//\tACL SETUSER stschain ([^\\]*) \\\n//\t +(.*)\n`).FindStringSubmatch(string(manual))
	require.NotNil(t, line)
	return strings.Fields(strings.ReplaceAll(line[1]+" "+line[2], ">PASSWORD", ">"+password))
}

func allow(t *testing.T, server *server, rights ...string) {
	server.do(t, append([]string{"ACL", "SETUSER", "stschain"}, rights...)...)
}

// The documented user of the server may do what the store needs, and nothing else.
func TestUser(t *testing.T) {
	server := start(t)
	allow(t, server, append([]string{"reset"}, rights(t)...)...)
	server.do(t, "CONFIG", "SET", "requirepass", "hunter4711-of-the-administrator")
	as := func(t *testing.T, user, password string) *valkeystore.Store {
		s := store(t, server.Address)
		s.Client.Username, s.Client.Password = user, password
		return s
	}

	t.Run("suffices", func(t *testing.T) {
		s := as(t, "stschain", password)
		generation := prepare(t, s)
		keep(t, s, generation, "sealed")
		loads(t, s, generation+1, "sealed")
		_, err := s.Lease(bounded(t), key, "owner", false, time.Minute)
		require.NoError(t, err)
		keep(t, s, generation+1, "next")
		require.NoError(t, s.Revoke(bounded(t), key, generation+2))
		misses(t, s, generation+3)
		denied, err := server.do(t, "ACL", "LOG").ToArray()
		require.NoError(t, err)
		require.Empty(t, denied, "the server denied a command, although no operation failed")
	})
	t.Run("other keys", func(t *testing.T) {
		s := as(t, "stschain", password)
		s.Prefix = "other:"
		for op, err := range operations(bounded(t), s, 1) {
			require.ErrorContains(t, err, "valkeystore: "+op+" 6b86b273: NOPERM ")
			require.ErrorContains(t, err, "and the keys other:*")
		}
	})
	t.Run("nothing else", func(t *testing.T) {
		o := option(server.Address)
		o.Username, o.Password, o.ClientSetInfo = "stschain", password, valkey.DisableClientSetInfo
		client, err := valkey.NewClient(o)
		require.NoError(t, err)
		defer client.Close()
		for _, command := range []string{"KEYS *", "FLUSHALL", "SCAN 0", "CONFIG GET *", "CLIENT LIST", "PUBLISH a b", "SCRIPT FLUSH", "GET other"} {
			err := client.Do(t.Context(), client.B().Arbitrary(strings.Fields(command)...).Build()).Error()
			require.ErrorContains(t, err, "NOPERM", command)
		}
	})
	for _, right := range rights(t) {
		command, ok := strings.CutPrefix(right, "+")
		if !ok || strings.HasPrefix(command, "cluster|") || command == "ping" { // which only keep connections working
			continue
		}
		t.Run("without "+command, func(t *testing.T) {
			allow(t, server, "-"+command)
			defer allow(t, server, "+"+command)
			admin := server.admin
			admin.Do(t.Context(), admin.B().Flushall().Build())
			server.do(t, "SCRIPT", "FLUSH")
			s := as(t, "stschain", password)
			var refused []string
			use := func() {
				for _, generation := range []uint64{1, 2} {
					server.do(t, "SET", "stschain:{"+key+"}g", "1")
					for _, err := range operations(bounded(t), s, generation) {
						if err != nil && err != shared.ErrMissing {
							refused = append(refused, err.Error())
						}
					}
				}
			}
			use()
			require.NotEmpty(t, refused)
			for _, text := range refused {
				require.Contains(t, text, "the user needs ")
				require.Contains(t, text, "+"+command)
				require.NotContains(t, text, "hunter4711")
			}
		})
	}
	for name, test := range map[string]struct{ user, password, want string }{
		"no password":    {"", "", "NOAUTH "},
		"wrong password": {"stschain", "hunter4711-of-another", "WRONGPASS "},
		"wrong user":     {"another", password, "WRONGPASS "},
	} {
		t.Run(name, func(t *testing.T) {
			for op, err := range operations(bounded(t), as(t, test.user, test.password), 1) {
				require.ErrorContains(t, err, "valkeystore: "+op+" 6b86b273: "+test.want)
				require.ErrorContains(t, err, "Client.Username and Client.Password")
				require.NotContains(t, err.Error(), "hunter4711")
			}
		})
	}
}

func TestTLS(t *testing.T) {
	dir, roots, client := certificates(t)
	own := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{client}}
	admin := func(address string) valkey.ClientOption {
		o := option(address)
		o.TLSConfig = own
		return o
	}
	server := startAs(t, admin, func(port, data string) []string {
		return []string{"--port", "0", "--tls-port", port, "--bind", "127.0.0.1", "--save", "", "--dir", data,
			"--tls-cert-file", filepath.Join(dir, "server.pem"), "--tls-key-file", filepath.Join(dir, "server.key"), "--tls-ca-cert-file", filepath.Join(dir, "ca.pem")}
	})
	plain := start(t)

	s := store(t, server.Address)
	s.Client.TLSConfig = own
	generation := prepare(t, s)
	keep(t, s, generation, "sealed")
	loads(t, s, generation+1, "sealed")

	for name, test := range map[string]struct {
		address string
		config  *tls.Config
	}{
		"an unknown authority":  {server.Address, &tls.Config{RootCAs: x509.NewCertPool(), Certificates: own.Certificates}},
		"another name":          {server.Address, &tls.Config{RootCAs: roots, ServerName: "other.example", Certificates: own.Certificates}},
		"no client certificate": {server.Address, &tls.Config{RootCAs: roots}},
		"no TLS in the client":  {server.Address, nil},
		"no TLS in the server":  {plain.Address, own},
	} {
		t.Run(name, func(t *testing.T) {
			s := store(t, test.address)
			s.Client.TLSConfig, s.Client.Dialer.Timeout = test.config, time.Second/4 // the server waits for a command
			for op, err := range operations(bounded(t), s, 1) {
				require.ErrorContains(t, err, "valkeystore: "+op+" 6b86b273: ")
			}
		})
	}
}

// certificates makes an authority, the files of a server, and a certificate of a client.
func certificates(t *testing.T) (dir string, roots *x509.CertPool, client tls.Certificate) {
	dir = t.TempDir()
	write := func(name, kind string, der []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	template := func(serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test " + big.NewInt(serial).String()},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
	}
	issue := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (der []byte, key *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		if signer == nil {
			signer = key
		}
		der, err = x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		require.NoError(t, err)
		return der, key
	}
	ca := template(1)
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign
	authority, signer := issue(ca, ca, nil)
	write("ca.pem", "CERTIFICATE", authority)
	parsed, err := x509.ParseCertificate(authority)
	require.NoError(t, err)
	roots = x509.NewCertPool()
	roots.AddCert(parsed)

	der, key := issue(template(2), parsed, signer)
	write("server.pem", "CERTIFICATE", der)
	encoded, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	write("server.key", "EC PRIVATE KEY", encoded)
	der, key = issue(template(3), parsed, signer)
	return dir, roots, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// The files in docs give the user the same rights as the manual.
func TestDocumentedUser(t *testing.T) {
	for _, name := range []string{"users.acl", "kubernetes.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", "how-to", "fleet", name))
		if os.IsNotExist(err) {
			t.Skip("this is not the whole repository")
		}
		require.NoError(t, err)
		require.Contains(t, string(text), strings.ReplaceAll("user stschain "+strings.Join(rights(t), " "), password, "change-this-password"), name)
	}
}
