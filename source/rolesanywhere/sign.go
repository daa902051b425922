package rolesanywhere

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/stschain-go/stschain/internal/system"
)

// sign signs a message with the key of k. A crypto.Signer takes no context, so it runs on a goroutine of its
// own, which is abandoned when ctx ends. One runs at a time, so a token that hangs does not cost a goroutine for each refresh.
func (p *Provider) sign(ctx context.Context, k keyPair, message []byte) ([]byte, error) {
	slot := p.signing()
	select {
	case slot <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("the signer has not returned from an earlier signature: %w", system.ContextErr(ctx))
	}
	type result struct {
		signature []byte
		err       error
	}
	results := make(chan result, 1)
	digest := sha256.Sum256(message)
	given := bytes.Clone(digest[:]) // the signer may change it
	go func() {
		r := result{err: errors.New("it called runtime.Goexit")}
		defer func() {
			if v := recover(); v != nil {
				r.err = fmt.Errorf("it panicked: %v", v)
			}
			<-slot
			results <- r
		}()
		r.signature, r.err = k.key().Sign(rand.Reader, given, crypto.SHA256)
	}()
	select {
	case r := <-results:
		switch {
		case r.err != nil:
			return nil, fmt.Errorf("the signer failed: %w", r.err)
		case !k.verifies(digest[:], r.signature):
			return nil, fmt.Errorf("the signer returned a signature that does not verify with the %s", k)
		}
		return r.signature, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("the signer has not returned: %w", system.ContextErr(ctx))
	}
}

// verifies reports whether a signature is that of the certificate's key, in the format that AWS requires.
func (c chain) verifies(digest, signature []byte) bool {
	switch key := c.leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	}
	return false
}

// signing returns the channel that has a value while a signer runs.
func (p *Provider) signing() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slot == nil {
		p.slot = make(chan struct{}, 1)
	}
	return p.slot
}
