package iot_test

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/internal/test/pki"
)

// TestSecrets: neither a private key nor a password nor what a server returned is in an error, an event, a trace, an Identity or a dump.
func TestSecrets(t *testing.T) {
	key := pki.KeyPEM(pki.EC())
	block, _ := pem.Decode(key)
	secrets := []string{password, string(block.Bytes[40:60]), strings.Split(string(key), "\n")[1]}
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
		id, err := w.Identity(t.Context())
		require.NoError(t, err)
		check(t, w, creds, <-events, <-events, (<-steps).Note, c.Status(), id, id.String())
	})
	t.Run("files", func(t *testing.T) {
		for name, content := range map[string][]byte{
			"malformed": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: block.Bytes[:100]}), "truncated": key[:len(key)-40], "text": []byte(password),
			"password as key": []byte("-----BEGIN PRIVATE KEY-----\n" + base64.StdEncoding.EncodeToString([]byte(password)) + "\n-----END PRIVATE KEY-----\n"),
		} {
			w := newWorld(t)
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
		w := newWorld(t)
		w.RoleAlias, w.ThingName = password+"/", password+"/" // misplaced
		_, err := w.Retrieve(t.Context())
		require.Error(t, err)
		canary.Check(t, password, err)
		require.Equal(t, "iot", w.String())
		w = newWorld(t)
		w.Endpoint = "https://user:" + password + "@" + endpoint
		_, err = w.Retrieve(t.Context())
		require.Error(t, err)
		canary.Check(t, password, err)
	})
	t.Run("service", func(t *testing.T) {
		w := newWorld(t)
		w.MaxAttempts = 1
		for _, body := range []string{
			`{"credentials":{"accessKeyId":"ASIA1","secretAccessKey":"` + password + `","sessionToken":"` + password + `","expiration":"` + password + `"}}`,
			`{"credentials":{"secretAccessKey":"` + password + `"}}`, `{"credentials":"` + password + `"}`, `<html>` + password,
		} {
			w.respond(t, 200, nil, body)
			_, err := w.Retrieve(t.Context())
			require.Error(t, err)
			canary.Check(t, password, err)
		}
	})
}
