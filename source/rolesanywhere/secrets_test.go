package rolesanywhere_test

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/internal/test/pki"
)

// TestSecrets: neither a private key nor a password, a PIN or a signature is in an error, an event, a trace or a dump.
func TestSecrets(t *testing.T) {
	key := pki.KeyPEM(pki.EC())
	block, _ := pem.Decode(key)
	secrets := []string{password, string(block.Bytes[40:60]), strings.Split(string(key), "\n")[1], "hunter2/"}
	check := func(t *testing.T, w *world, values ...any) {
		w.HTTPClient, w.Clock = nil, nil // a dump would go through all of testing.T
		for _, s := range secrets {
			canary.Check(t, s, append(values, w.Provider)...)
		}
	}
	t.Run("session", func(t *testing.T) {
		w := newWorld(t)
		w.Password = returns(password)
		events, steps := make(chan stschain.Event, 9), make(chan stschain.Step, 9)
		c := &stschain.Cache{Provider: w.Provider, Clock: w.clock, OnEvent: func(e stschain.Event) { events <- e }}
		trace := &stschain.Trace{End: func(_ context.Context, s stschain.Step) { steps <- s }}
		creds, err := c.Retrieve(stschain.WithTrace(t.Context(), trace))
		require.NoError(t, err)
		check(t, w, creds, <-events, <-events, (<-steps).Note, c.Status())
	})
	t.Run("files", func(t *testing.T) {
		scrambled := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: block.Bytes[:100]})
		for name, content := range map[string][]byte{
			"wrong password": fixture(t, "aes-256-cbc.pem"), "malformed": scrambled, "truncated": key[:len(key)-40], "text": []byte(password),
			"password as key": []byte("-----BEGIN PRIVATE KEY-----\n" + base64.StdEncoding.EncodeToString([]byte(password)) + "\n-----END PRIVATE KEY-----\n"),
		} {
			w := newWorld(t)
			w.Password = returns(password + "wrong")
			require.NoError(t, os.WriteFile(w.key, content, 0o600))
			_, err := w.Retrieve(t.Context())
			require.Error(t, err, name)
			check(t, w, err)
		}
		w := newWorld(t)
		require.NoError(t, os.WriteFile(w.certificate, key, 0o600)) // the wrong file
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, "it contains no certificate in PEM")
		check(t, w, err)
	})
	t.Run("fields", func(t *testing.T) {
		for range 3 {
			w := newWorld(t)
			w.TrustAnchorARN, w.ProfileARN, w.RoleARN = password, password, password // misplaced
			_, err := w.Retrieve(t.Context())
			require.Error(t, err)
			canary.Check(t, password, err)
			require.Equal(t, "rolesanywhere", w.String())
		}
	})
	t.Run("service", func(t *testing.T) {
		w := newWorld(t)
		var signature string
		w.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			_, signature, _ = strings.Cut(r.Header.Get("Authorization"), "Signature=")
			rec := httptest.NewRecorder()
			rec.WriteHeader(403)
			rec.WriteString(`{"__type":"AccessDeniedException","message":"you sent ` + signature + `"}`)
			return rec.Result(), nil
		})}
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, "a message that is not shown, since it holds a secret")
		canary.Check(t, signature, err)
		w.MaxAttempts = 1
		w.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return nil, errors.New(r.Header.Get("Authorization")) })}
		_, err = w.Retrieve(t.Context())
		require.Error(t, err)
		canary.Check(t, signature, err)
	})
}
