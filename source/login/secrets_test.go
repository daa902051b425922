package login_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
)

// TestSecrets: whatever the file, the service and the transport say, what is secret is shown
// nowhere.
func TestSecrets(t *testing.T) {
	secrets := []string{secret, token, refresh, strings.Split(key, "\n")[1]}
	check := func(t *testing.T, w *world, values ...any) {
		w.HTTPClient, w.Clock = nil, nil // a dump would go through all of testing.T
		for _, s := range secrets {
			canary.Check(t, s, append(values, w.Provider)...)
		}
	}
	t.Run("credentials", func(t *testing.T) {
		for _, expires := range []time.Time{noon.Add(time.Hour), noon} {
			w := newWorld(t, document(expires))
			creds, err := w.Retrieve(t.Context())
			require.NoError(t, err)
			check(t, w, creds)
		}
	})
	t.Run("kept in memory", func(t *testing.T) {
		w := newWorld(t, document(noon))
		require.NoError(t, os.Mkdir(w.file+".lock", 0o700))
		creds, err := w.Retrieve(t.Context())
		require.NoError(t, err)
		check(t, w, creds)
	})
	for _, said := range secrets[:3] {
		for _, form := range []string{
			`{"error":"INVALID_REQUEST","message":"no %s"}`, `{"error":"%s","message":"no"}`, `{"error":["%s"]}`, `%s`, `{"__type":"%s","message":"no"}`,
		} {
			if !strings.Contains(form, "__type") && said != refresh {
				continue // it was not sent
			}
			w := newWorld(t, document(noon))
			w.service.next(400, fmt.Sprintf(form, said), 3)
			_, err := w.Retrieve(t.Context())
			require.Error(t, err)
			check(t, w, err)
		}
	}
	t.Run("the proof", func(t *testing.T) {
		w := newWorld(t, document(noon))
		var sent string
		w.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			sent = r.Header.Get("DPoP")
			return reply(400, `{"error":"INVALID_REQUEST","message":"`+sent+`"}`), nil
		})}
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, "a message that is not shown, since it holds a secret")
		canary.Check(t, sent, err)
	})
	t.Run("the transport", func(t *testing.T) {
		inBubble(t, 0, func(t *testing.T, w *world) {
			w.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(r.Body)
				return nil, errors.New(string(body) + r.Header.Get("DPoP"))
			})}
			_, err := w.Retrieve(t.Context())
			require.Error(t, err)
			check(t, w, err)
		})
	})
	t.Run("the file", func(t *testing.T) {
		for _, doc := range []object{
			{"accessToken": secret}, {"accessToken": object{"accessKeyId": 1, "secretAccessKey": secret}},
			with(document(noon), object{"dpopKey": "-----BEGIN " + refresh}), with(document(noon), object{"refreshToken": []any{refresh}}),
			with(document(noon), object{"dpopKey": "-----BEGIN EC PRIVATE KEY-----\n" + base64.StdEncoding.EncodeToString([]byte(refresh)) + "\n-----END EC PRIVATE KEY-----"}),
		} {
			w := newWorld(t, doc)
			_, err := w.Retrieve(t.Context())
			require.Error(t, err)
			check(t, w, err)
		}
	})
	t.Run("the session", func(t *testing.T) {
		w := newWorld(t, nil)
		w.Session = secret // someone pasted the wrong thing
		_, err := w.Retrieve(t.Context())
		require.ErrorIs(t, err, stschain.ErrPermanent)
		canary.Check(t, secret, err)
	})
}
