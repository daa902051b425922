package rolesanywhere_test

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
	"github.com/stschain-go/stschain/source/rolesanywhere"
)

// FuzzCertificates parses any file. A chain that is found is one: each certificate issued the one before.
func FuzzCertificates(f *testing.F) {
	root := newAuthority()
	intermediate := root.authority("Test Intermediate")
	leaf := intermediate.issue(newEC(), nil)
	f.Add(bundle(leaf, intermediate.certificate, root.certificate))
	f.Add(bundle(root.certificate, intermediate.certificate, leaf))
	f.Add(append(keyPEM(newEC()), bundle(leaf)...))
	f.Add(bundle(leaf, leaf)[:200])
	f.Add(fixture(f, "version1.pem"))
	f.Add(fixture(f, "sha1.pem"))
	f.Add([]byte("\xef\xbb\xbf-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 32<<10 {
			return // it takes long, and finds nothing more
		}
		all, err := rolesanywhere.ParseCertificates(content)
		if (err == nil) != (len(all) > 0) {
			t.Fatalf("%d certificates, and the error is %v", len(all), err)
		}
		if err != nil {
			return
		}
		leaf, issuers, err := rolesanywhere.NewChain(all)
		if err != nil {
			return
		}
		if len(issuers) >= len(all) {
			t.Fatalf("%d certificates have a chain of %d", len(all), len(issuers))
		}
		for _, issuer := range issuers {
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
	f.Add(keyPEM(newRSA()))
	digest := sha256.Sum256([]byte("x"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if bytes.Count(content, []byte("BEGIN ENCRYPTED")) > 1 || len(content) > 4<<10 {
			return // a million iterations take a second
		}
		key, err := rolesanywhere.ParseKey(content, func() (stschain.Secret, error) { return stschain.NewSecret(password), nil })
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

// FuzzResponse parses any response. Credentials that are found are complete.
func FuzzResponse(f *testing.F) {
	f.Add([]byte(`{"credentialSet":[{"credentials":{"accessKeyId":"ASIA1","secretAccessKey":"s","sessionToken":"t","expiration":"2026-12-01T13:00:00Z"},"roleArn":"` + roleARN + `"}]}`))
	f.Add([]byte(`{"credentialSet":[{"credentials":null}]}`))
	f.Add([]byte(`{"credentialSet":{}}`))
	f.Add([]byte(`{"CREDENTIALSET":[{"Credentials":{"accesskeyid":"A","SecretAccessKey":"s","SessionToken":"t","Expiration":"0"}},{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		creds, err := rolesanywhere.ParseSession(body, roleARN)
		complete := creds.AccessKeyID != "" && !creds.SecretAccessKey.IsZero() && !creds.SessionToken.IsZero() && !creds.Expires.IsZero()
		if complete != (err == nil) {
			t.Fatalf("error %v with complete = %t", err, complete)
		}
	})
}
