package iot

import (
	"context"
	"crypto"
	"io"
)

// signer signs TLS handshakes until its context ends. The key is in a function, so that it is not printed.
type signer struct {
	provider *Provider
	ctx      context.Context
	key      func() crypto.Signer
}

func (s signer) Public() crypto.PublicKey { return s.key().Public() }

func (s signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.provider.slot.Sign(s.ctx, s.key(), digest, opts)
}
