package keypair_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/keypair"
	"github.com/stschain-go/stschain/internal/test/pki"
)

const password = "canary-4711-password" // of the encrypted keys

// fixture is a file that openssl wrote.
func fixture(f *testing.F, name string) []byte {
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		f.Fatal(err)
	}
	return content
}

// FuzzCertificates parses any file. A chain that is found is one: each certificate issued the one before.
func FuzzCertificates(f *testing.F) {
	root := pki.Root()
	intermediate := root.Authority("Test Intermediate")
	leaf := intermediate.Issue(pki.EC(), nil)
	f.Add(pki.PEM(leaf, intermediate.Certificate, root.Certificate))
	f.Add(pki.PEM(root.Certificate, intermediate.Certificate, leaf))
	f.Add(append(pki.KeyPEM(pki.EC()), pki.PEM(leaf)...))
	f.Add(pki.PEM(leaf, leaf)[:200])
	f.Add(fixture(f, "version1.pem"))
	f.Add(fixture(f, "sha1.pem"))
	f.Add([]byte("\xef\xbb\xbf-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 32<<10 {
			return // it takes long, and finds nothing more
		}
		all, err := keypair.ParseCertificates(content)
		if (err == nil) != (len(all) > 0) {
			t.Fatalf("%d certificates, and the error is %v", len(all), err)
		}
		if err != nil {
			return
		}
		chain, err := keypair.NewChain(all, "a test")
		if err != nil {
			return
		}
		if len(chain.Issuers) >= len(all) {
			t.Fatalf("%d certificates have a chain of %d", len(all), len(chain.Issuers))
		}
		leaf := chain.Leaf
		for _, issuer := range chain.Issuers {
			if !bytes.Equal(leaf.RawIssuer, issuer.RawSubject) {
				t.Fatal("the chain is not in order")
			}
			leaf = issuer
		}
	})
}

// FuzzKey parses any file of a key, with a password if it is encrypted. A key that is found can sign, and no error shows the file.
func FuzzKey(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.pem"))
	if err != nil || len(files) == 0 {
		f.Fatal("no fixtures", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add(pki.KeyPEM(pki.RSA()))
	digest := sha256.Sum256([]byte("x"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if bytes.Count(content, []byte("BEGIN ENCRYPTED")) > 1 || len(content) > 4<<10 {
			return // a million iterations take a second
		}
		key, err := keypair.ParseKey(content, func() (stschain.Secret, error) { return stschain.NewSecret(password), nil })
		if err != nil {
			for line := range strings.Lines(string(content)) {
				if line = strings.TrimSpace(line); len(line) > 40 && strings.Contains(err.Error(), line) {
					t.Fatalf("the error shows a line of the file: %v", err)
				}
			}
			if !errors.Is(err, stschain.ErrPermanent) {
				t.Fatalf("not permanent: %v", err)
			}
			return
		}
		_, _ = key.Sign(rand.Reader, digest[:], crypto.SHA256) // a weak key may fail, but not panic
	})
}
