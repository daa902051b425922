// Package keypair reads X.509 certificates with their chains and private keys, for the sources that authenticate
// with them.
package keypair

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
)

// Source is where a certificate and its private key come from: PEM files, or functions in place of them. Its
// fields are those of the providers.
type Source struct {
	CertificateFile string
	ChainFile       string
	KeyFile         string
	Password        func(context.Context) (stschain.Secret, error)
	Certificates    func(context.Context) ([]*x509.Certificate, error)
	Signer          func(context.Context) (crypto.Signer, error)
	Open            func(path string) (fs.File, error)
}

// Pair is a certificate and its private key. The key is in a function, so that it is not printed.
type Pair struct {
	Chain
	Key func() crypto.Signer
}

const (
	maxReads  = 6 // of a certificate and a key that do not fit
	readPause = 100 * time.Millisecond
)

// Pair reads the certificate and its key. Another process may replace one file after the other, so if they do not
// fit they are read again. Signer is called once, since it may prompt, and only for a certificate that check accepts.
func (s Source) Pair(ctx context.Context, check func(Chain) error) (Pair, error) {
	var key crypto.Signer
	for n := 1; ; n++ {
		c, err := s.Chain(ctx)
		if err == nil {
			err = check(c)
		}
		if err == nil && (key == nil || s.Signer == nil) {
			key, err = s.key(ctx)
		}
		switch {
		case err != nil:
			return Pair{}, err
		case fits(c.Leaf, key):
			return Pair{c, func() crypto.Signer { return key }}, nil
		case n == maxReads:
			return Pair{}, stschain.Permanent(fmt.Errorf("the private key does not fit the %s", c))
		}
		if err := system.Sleep(ctx, readPause); err != nil {
			return Pair{}, err
		}
	}
}

func fits(leaf *x509.Certificate, key crypto.Signer) bool {
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(key.Public())
}

// Chain reads the certificate and its chain.
func (s Source) Chain(ctx context.Context) (Chain, error) {
	if s.Certificates != nil {
		all, err := s.Certificates(ctx)
		if err != nil {
			return Chain{}, fmt.Errorf("no certificate: Certificates: %w", err)
		}
		return NewChain(all, "Certificates")
	}
	if s.CertificateFile == "" {
		return Chain{}, stschain.Permanent(errors.New("CertificateFile is missing, and so is Certificates"))
	}
	var all []*x509.Certificate
	for _, path := range []string{s.CertificateFile, s.ChainFile} {
		if path == "" {
			continue
		}
		content, err := s.read(path)
		if err != nil {
			return Chain{}, fmt.Errorf("no certificate: %w", err)
		}
		found, err := ParseCertificates(content)
		if err != nil {
			return Chain{}, stschain.Permanent(fmt.Errorf("no certificate: file %s: %w", path, err))
		}
		all = append(all, found...)
	}
	return NewChain(all, s.CertificateFile)
}

func (s Source) key(ctx context.Context) (crypto.Signer, error) {
	if s.Signer != nil {
		key, err := s.Signer(ctx)
		switch {
		case err != nil:
			return nil, fmt.Errorf("no private key: Signer: %w", err)
		case key == nil:
			return nil, errors.New("no private key: Signer returned nil")
		}
		return key, nil
	}
	if s.KeyFile == "" {
		return nil, stschain.Permanent(errors.New("KeyFile is missing, and so is Signer"))
	}
	content, err := s.read(s.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("no private key: %w", err)
	}
	key, err := ParseKey(content, func() (stschain.Secret, error) {
		if s.Password == nil {
			return stschain.Secret{}, stschain.Permanent(errors.New("it is encrypted, and Password is not set"))
		}
		password, err := s.Password(ctx)
		if err != nil {
			return stschain.Secret{}, fmt.Errorf("it is encrypted: Password: %w", err)
		}
		return password, nil
	})
	if err != nil {
		return nil, fmt.Errorf("no private key: file %s: %w", s.KeyFile, err)
	}
	return key, nil
}

// maxFile is the largest file of certificates or of a key, in bytes.
const maxFile = 256 << 10

func (s Source) read(path string) ([]byte, error) {
	content, _, err := system.ReadFile(s.Open, path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", path, err)
	}
	return content, nil
}
