package minio_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// TestSecrets: neither a password, a token nor a private key is in an error, an event, a trace, an identity or a dump.
func TestSecrets(t *testing.T) {
	m := newMachine(t)
	m.Client.Retry.MaxAttempts = 1
	content, err := os.ReadFile(m.key)
	require.NoError(t, err)
	block, _ := pem.Decode(content)
	secrets := []string{password, token, strings.Split(string(content), "\n")[1], string(block.Bytes[40:60])}
	ldap, customToken := m.ldap(), m.customToken()
	ldap.Client.Retry.MaxAttempts, customToken.Client.Retry.MaxAttempts = 1, 1
	var values []any
	retrieve := func(p stschain.Provider) error {
		events := make(chan stschain.Event, 9)
		c := &stschain.Cache{Provider: p, Clock: m.clock, OnEvent: func(e stschain.Event) { events <- e }}
		trace := &stschain.Trace{End: func(_ context.Context, s stschain.Step) {
			values = append(values, s.Name, s.Note, s.Err, s.AccessKeyID)
		}}
		creds, err := c.Retrieve(stschain.WithTrace(t.Context(), trace))
		values = append(values, creds, err, c.Status().Err)
		for len(events) > 0 {
			e := <-events
			values = append(values, e.Err, e.Note)
		}
		i, idErr := p.(stschain.Identifier).Identity(t.Context())
		require.NoError(t, idErr)
		values = append(values, i, p.(interface{ String() string }).String())
		return err
	}
	for _, p := range []stschain.Provider{ldap, customToken, m.Certificate} {
		require.NoError(t, retrieve(p))
	}
	m.server.FailAll(ststest.Truncate())
	for _, p := range []stschain.Provider{ldap, customToken, m.Certificate} {
		require.Error(t, retrieve(p))
	}
	ldap.Client, customToken.Client, m.Client = nil, nil, nil // a dump would go through all of testing.T
	for _, s := range secrets {
		canary.Check(t, s, values...)
		canary.Check(t, s, ldap)
	}
}

// TestLostSecrets: the token is in the URL that is sent, and not in the error of a connection that broke.
func TestLostSecrets(t *testing.T) {
	w := newWorld(t)
	p := w.customToken()
	p.Client = &stsquery.Client{Endpoint: "https://minio.example", Retry: stsquery.Retry{MaxAttempts: 1}, HTTPClient: &http.Client{
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return nil, errors.New("lost: " + r.URL.String()) }),
	}}
	_, err := p.Retrieve(t.Context())
	require.Error(t, err)
	canary.Check(t, token, err)

	m := newMachine(t)
	key, err := os.ReadFile(m.key)
	require.NoError(t, err)
	for name, content := range map[string][]byte{"truncated": key[:len(key)-40], "text": []byte(password), "named": []byte("-----BEGIN " + password + "-----\naaaa\n-----END " + password + "-----\n")} {
		require.NoError(t, os.WriteFile(m.key, content, 0o600))
		synctest.Test(t, func(t *testing.T) { _, err = m.Identity(t.Context()) }) // which reads the files several times
		require.Error(t, err, name)
		if name != "named" { // the type of a PEM block is not secret
			canary.Check(t, password, err)
		}
		canary.Check(t, strings.Split(string(key), "\n")[1], err)
	}
}
