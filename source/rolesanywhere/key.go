package rolesanywhere

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
)

// keyPair is a certificate and its private key. The key is in a function, so that it is not printed.
type keyPair struct {
	chain
	key func() crypto.Signer
}

const (
	maxReads  = 6 // of a certificate and a key that do not fit
	readPause = 100 * time.Millisecond
)

// keyPair reads the certificate and its key. Another process may replace one file after the other, so if they do not
// fit they are read again. Signer is called once, since it may prompt.
func (p *Provider) keyPair(ctx context.Context) (keyPair, error) {
	var key crypto.Signer
	for n := 1; ; n++ {
		c, err := p.chain(ctx)
		if err == nil {
			err = c.check(p.now().Add(p.clockOff()))
		}
		if err == nil && (key == nil || p.Signer == nil) {
			key, err = p.key(ctx)
		}
		switch {
		case err != nil:
			return keyPair{}, err
		case fits(c.leaf, key):
			return keyPair{c, func() crypto.Signer { return key }}, nil
		case n == maxReads:
			return keyPair{}, stschain.Permanent(fmt.Errorf("the private key does not fit the %s", c))
		}
		if err := system.Sleep(ctx, readPause); err != nil {
			return keyPair{}, err
		}
	}
}

func fits(leaf *x509.Certificate, key crypto.Signer) bool {
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(key.Public())
}

func (p *Provider) key(ctx context.Context) (crypto.Signer, error) {
	if p.Signer != nil {
		key, err := p.Signer(ctx)
		switch {
		case err != nil:
			return nil, fmt.Errorf("no private key: Signer: %w", err)
		case key == nil:
			return nil, errors.New("no private key: Signer returned nil")
		}
		return key, nil
	}
	if p.KeyFile == "" {
		return nil, stschain.Permanent(errors.New("KeyFile is missing, and so is Signer"))
	}
	content, err := p.read(p.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("no private key: %w", err)
	}
	key, err := parseKey(content, func() (stschain.Secret, error) {
		if p.Password == nil {
			return stschain.Secret{}, stschain.Permanent(errors.New("it is encrypted, and Password is not set"))
		}
		password, err := p.Password(ctx)
		if err != nil {
			return stschain.Secret{}, fmt.Errorf("it is encrypted: Password: %w", err)
		}
		return password, nil
	})
	if err != nil {
		return nil, fmt.Errorf("no private key: file %s: %w", p.KeyFile, err)
	}
	return key, nil
}

// parseKey returns the first private key of a PEM file. It calls password if the key is encrypted. Its errors do not show
// the key, and are permanent unless they are those of password.
func parseKey(content []byte, password func() (stschain.Secret, error)) (crypto.Signer, error) {
	blocks, err := decode(content)
	if err != nil {
		return nil, stschain.Permanent(err)
	}
	for _, block := range blocks {
		parse := parsers[block.Type]
		if parse == nil {
			continue // a certificate, or the curve that openssl writes before the key
		}
		der := block.Bytes
		if block.Type == encrypted {
			secret, err := password()
			if err != nil {
				return nil, err
			}
			if der, err = decrypt(der, secret); err != nil {
				return nil, stschain.Permanent(err)
			}
		}
		key, err := parse(der)
		signer, ok := key.(crypto.Signer)
		switch {
		case block.Headers["DEK-Info"] != "":
			err = errors.New("it has the obsolete encryption of PEM (DEK-Info): convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc`")
		case err != nil && block.Type == encrypted:
			err = errWrongPassword
		case err != nil:
			err = fmt.Errorf("its %s is malformed", block.Type)
		case !ok:
			err = fmt.Errorf("its %s cannot sign", block.Type)
		}
		if err != nil {
			return nil, stschain.Permanent(err)
		}
		return signer, nil
	}
	return nil, stschain.Permanent(errors.New("it contains no private key in PEM"))
}

const encrypted = "ENCRYPTED PRIVATE KEY"

// parsers are the formats of a key, by the type of the PEM block.
var parsers = map[string]func(der []byte) (any, error){
	"PRIVATE KEY":     x509.ParsePKCS8PrivateKey,
	encrypted:         x509.ParsePKCS8PrivateKey,
	"RSA PRIVATE KEY": func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
	"EC PRIVATE KEY":  func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
}
