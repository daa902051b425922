package keypair

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/stschain-go/stschain/internal/system"
)

// Slot runs one signature at a time, so a token that hangs does not cost a goroutine for each refresh. The zero
// value is ready to use.
type Slot struct {
	once sync.Once
	busy chan struct{} // has a value while a signer runs
}

// Sign signs a digest. A crypto.Signer takes no context, so it runs on a goroutine of its own, which is abandoned
// when ctx ends.
func (s *Slot) Sign(ctx context.Context, key crypto.Signer, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.once.Do(func() { s.busy = make(chan struct{}, 1) })
	select {
	case s.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("the signer has not returned from an earlier signature: %w", system.ContextErr(ctx))
	}
	type result struct {
		signature []byte
		err       error
	}
	results := make(chan result, 1)
	given := bytes.Clone(digest) // the signer may change it
	go func() {
		r := result{err: errors.New("it called runtime.Goexit")}
		defer func() {
			if v := recover(); v != nil {
				r.err = fmt.Errorf("it panicked: %v", v)
			}
			<-s.busy
			results <- r
		}()
		r.signature, r.err = key.Sign(rand.Reader, given, opts)
	}()
	select {
	case r := <-results:
		if r.err != nil {
			return nil, fmt.Errorf("the signer failed: %w", r.err)
		}
		return r.signature, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("the signer has not returned: %w", system.ContextErr(ctx))
	}
}
