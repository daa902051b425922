package rolesanywhere_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/pki"
)

func TestSigner(t *testing.T) {
	broken := errors.New("CKR_DEVICE_ERROR")
	for want, sign := range map[string]func([]byte, crypto.SignerOpts) ([]byte, error){
		"":                                    func(d []byte, o crypto.SignerOpts) ([]byte, error) { return pki.EC().Sign(rand.Reader, d, o) },
		"the signer failed: CKR_DEVICE_ERROR": func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, broken },
		"the signer failed: it panicked: no slot":              func([]byte, crypto.SignerOpts) ([]byte, error) { panic("no slot") },
		"the signer failed: it called runtime.Goexit":          func([]byte, crypto.SignerOpts) ([]byte, error) { runtime.Goexit(); return nil, nil },
		"the signer returned a signature that does not verify": func([]byte, crypto.SignerOpts) ([]byte, error) { return make([]byte, 64), nil },
		"that does not verify with the certificate CN=worker (serial numbe": func(d []byte, o crypto.SignerOpts) ([]byte, error) {
			d[0]++ // it hashes again
			return pki.EC().Sign(rand.Reader, d, o)
		},
	} {
		w := newWorld(t)
		w.use(sign)
		for range 2 { // the slot is free again
			_, err := w.Retrieve(t.Context())
			if want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, want)
				require.Equal(t, want == "the signer failed: CKR_DEVICE_ERROR", errors.Is(err, broken))
			}
		}
	}
	w := newWorld(t)
	for want, key := range map[string]crypto.Signer{"no private key: Signer returned nil": nil, "the private key does not fit": pki.RSA()} {
		w.Signer = func(context.Context) (crypto.Signer, error) { return key, nil }
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
	}
	w.Signer = func(context.Context) (crypto.Signer, error) { return nil, broken }
	_, err := w.Retrieve(t.Context())
	require.ErrorIs(t, err, broken)
}

// RSA is signed by PKCS #1 v1.5 with SHA-256.
func TestSignerOptions(t *testing.T) {
	w := newWorld(t)
	w.install(t, pki.RSA(), w.root.Issue(pki.RSA(), nil))
	w.Signer = func(context.Context) (crypto.Signer, error) {
		return signer{pki.RSA(), func(digest []byte, opts crypto.SignerOpts) ([]byte, error) {
			if opts != crypto.SHA256 || len(digest) != 32 {
				return nil, errors.New("unexpected options")
			}
			return pki.RSA().Sign(rand.Reader, digest, opts)
		}}, nil
	}
	_, err := w.Retrieve(t.Context())
	require.NoError(t, err)
}

// A token that hangs is abandoned when the context ends. It runs once, however often it is called.
func TestSignerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		release, running := make(chan bool), atomic.Int32{}
		w.use(func(d []byte, o crypto.SignerOpts) ([]byte, error) {
			running.Add(1)
			<-release
			return pki.EC().Sign(rand.Reader, d, o)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		began := time.Now()
		_, err := w.Retrieve(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "rolesanywhere "+roleARN+": the signer has not returned: context deadline exceeded")
		require.Equal(t, 7*time.Second, time.Since(began))
		c := &stschain.Cache{Provider: w.Provider}
		for range 3 {
			_, err = c.Retrieve(t.Context())
			require.Error(t, err)
			time.Sleep(time.Minute)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = w.Retrieve(ctx)
		require.ErrorContains(t, err, "the signer has not returned from an earlier signature: context deadline exceeded")
		require.EqualValues(t, 1, running.Load())
		close(release)
		_, err = c.Retrieve(t.Context())
		require.NoError(t, err)
	})
}

// A token that needs a PIN prompts only where a caller waits that can prompt.
func TestSignerPrompts(t *testing.T) {
	w := newWorld(t)
	prompts := 0
	w.Signer = func(ctx context.Context) (crypto.Signer, error) {
		if err := stschain.Prompt(ctx); err != nil {
			return nil, err
		}
		prompts++
		return pki.EC(), nil
	}
	_, err := w.Retrieve(stschain.WithoutPrompt(t.Context()))
	require.ErrorIs(t, err, stschain.ErrPrompt)
	require.ErrorContains(t, err, "rolesanywhere "+roleARN+": no private key: Signer: stschain: interactive prompt required")
	require.NotErrorIs(t, err, stschain.ErrPermanent)
	require.Contains(t, stschain.Explain(t.Context(), w.Provider).String(), "interactive prompt required")
	require.Zero(t, prompts)
	require.Empty(t, w.server.Calls())

	c := &stschain.Cache{Provider: w.Provider, Clock: w.clock}
	_, err = c.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, prompts)
}

// A prompt may take longer than the refresh of a Cache otherwise may.
func TestSlowPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.use(func(d []byte, o crypto.SignerOpts) ([]byte, error) {
			time.Sleep(4 * time.Minute) // until the user touches the token
			return pki.EC().Sign(rand.Reader, d, o)
		})
		open := w.Signer
		w.Signer = func(ctx context.Context) (crypto.Signer, error) {
			if err := stschain.Prompt(ctx); err != nil {
				return nil, err
			}
			return open(ctx)
		}
		_, err := (&stschain.Cache{Provider: w.Provider}).Retrieve(t.Context())
		require.NoError(t, err)
	})
}

func TestEncryptedKeys(t *testing.T) {
	key := must(parsePKCS8(fixture(t, "pkcs8.pem")))
	for _, name := range []string{
		"sec1.pem", "pkcs8.pem", "aes-128-cbc.pem", "aes-192-cbc.pem", "aes-256-cbc.pem", "hmacWithSHA1.pem", "hmacWithSHA224.pem", "hmacWithSHA384.pem", "hmacWithSHA512.pem",
	} {
		w := newWorld(t)
		w.install(t, key, w.root.Issue(key, nil))
		content := fixture(t, name)
		require.NoError(t, os.WriteFile(w.key, content, 0o600))
		w.Password = returns(password)
		_, err := w.Retrieve(t.Context())
		require.NoError(t, err, name)

		w.Password = returns("wrong")
		_, err = w.Retrieve(t.Context())
		if name == "sec1.pem" || name == "pkcs8.pem" {
			require.NoError(t, err, "the password is not used")
			continue
		}
		require.ErrorContains(t, err, "it cannot be decrypted: the password is wrong, or the file is damaged", name)
		require.ErrorIs(t, err, stschain.ErrPermanent)
	}
	for name, want := range map[string]string{
		"scrypt.pem": "its encryption has the key derivation 1.3.6.1.4.1.11591.4.11, which is not supported: convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc`",
		"des3.pem":   "its encryption has the cipher 1.2.840.113549.3.7, which",
		"pbes1.pem":  "its encryption has the scheme 1.2.840.113549.1.12.1.3, which",
	} {
		w := newWorld(t)
		require.NoError(t, os.WriteFile(w.key, fixture(t, name), 0o600))
		w.Password = returns(password)
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
	}
	failed := errors.New("no vault")
	w := newWorld(t)
	require.NoError(t, os.WriteFile(w.key, fixture(t, "aes-256-cbc.pem"), 0o600))
	w.Password = func(context.Context) (stschain.Secret, error) { return stschain.Secret{}, failed }
	_, err := w.Retrieve(t.Context())
	require.ErrorIs(t, err, failed)
	require.NotErrorIs(t, err, stschain.ErrPermanent)
	w.Password = func(ctx context.Context) (stschain.Secret, error) { return stschain.Secret{}, stschain.Prompt(ctx) }
	_, err = w.Retrieve(stschain.WithoutPrompt(t.Context()))
	require.ErrorIs(t, err, stschain.ErrPrompt)
}
