package minio_test

import (
	"crypto"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/minio"
)

// FuzzKeyPair parses any two files. A pair that is found is for clients and fits, and no error shows the key.
func FuzzKeyPair(f *testing.F) {
	var files [][]byte
	for _, name := range []string{"a.pem", "b.pem"} {
		content, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		files = append(files, content)
	}
	root := newAuthority()
	key := newKey()
	f.Add(files[0], files[0])
	f.Add(files[0], files[1])
	f.Add(bundle(root.issue(key, nil), root.certificate), keyPEM(key))
	f.Add(bundle(root.certificate), keyPEM(root.key))
	f.Add(files[0][:300], files[0][:100])
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nDEK-Info: x\n\naaaa\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, certificate, key []byte) {
		if len(certificate)+len(key) > 32<<10 {
			return // it takes long, and finds nothing more
		}
		pair, err := minio.ParseKeyPair(certificate, key, noon)
		if err != nil {
			if !errors.Is(err, stschain.ErrPermanent) {
				t.Fatalf("not permanent: %v", err)
			}
			for line := range strings.Lines(string(key)) {
				if line = strings.TrimSpace(line); len(line) > 40 && !strings.HasPrefix(line, "-----") && strings.Contains(err.Error(), line) {
					t.Fatalf("the error shows a line of the key: %v", err)
				}
			}
			return
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil || leaf.IsCA || leaf.Subject.CommonName == "" || !leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(pair.PrivateKey.(crypto.Signer).Public()) {
			t.Fatalf("%v: %v", err, leaf)
		}
	})
}

// FuzzPolicy: a policy that is accepted is a short JSON object.
func FuzzPolicy(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[]}`)
	f.Add(`{"version":"x"}`)
	f.Add(`null`)
	f.Add(`{"Version":1}`)
	f.Fuzz(func(t *testing.T, policy string) {
		if minio.CheckPolicy(policy) == nil && policy != "" && (len(policy) > 2048 || !strings.Contains(policy, "{")) {
			t.Fatalf("%q is accepted", policy)
		}
	})
}
