package keypair

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/stschain-go/stschain"
)

// ParseKey returns the first private key of a PEM file. It calls password if the key is encrypted. Its errors do not show
// the key, and are permanent unless they are those of password.
func ParseKey(content []byte, password func() (stschain.Secret, error)) (crypto.Signer, error) {
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
