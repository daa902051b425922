package proof_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// outbound returns a WebIdentity whose Client calls a fake STS.
func outbound(srv *ststest.Server, p stschain.Provider) *proof.WebIdentity {
	return &proof.WebIdentity{
		Client:   &stsquery.Client{Credentials: p, Region: region, HTTPClient: srv.Client(), Clock: srv.Clock},
		Audience: []string{"https://api.example.com"},
	}
}

func TestWebIdentity(t *testing.T) {
	for name, test := range map[string]struct {
		change    func(*proof.WebIdentity)
		algorithm string
		audience  any
		life      time.Duration
	}{
		"defaults": {func(*proof.WebIdentity) {}, "RS256", "https://api.example.com", 5 * minute},
		"all set": {func(w *proof.WebIdentity) {
			w.Audience, w.Algorithm, w.Duration = []string{"a", "b"}, "ES384", time.Hour
			w.Tags = []stsquery.Tag{{Key: "team", Value: "blue"}}
		}, "ES384", []any{"a", "b"}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			srv := ststest.NewTest(t)
			c := fakeClock()
			srv.Clock = c
			srv.Outbound().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/keys", nil)) // generates the keys, which may take longer than an attempt
			w := outbound(srv, srv.User())
			test.change(w)
			first, err := w.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, start.Add(test.life).Unix(), first.Expires.Unix())
			claims, err := srv.Outbound().Verify(first.Value, c.Now())
			require.NoError(t, err)
			require.Equal(t, test.audience, claims["aud"])
			require.Equal(t, test.algorithm, srv.Calls()[0].Form.Get("SigningAlgorithm"))

			c.Add(time.Second)
			again, err := w.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, first, again)
			require.Equal(t, 1, srv.Count("GetWebIdentityToken"))

			c.Add(test.life)
			next, err := w.Token(t.Context())
			require.NoError(t, err)
			require.NotEqual(t, first.Value, next.Value)
			require.Equal(t, 2, srv.Count("GetWebIdentityToken"))
		})
	}
}

// The token is kept by a Cache: background refreshes, events, and valid tokens through failures.
func TestWebIdentityRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		w := outbound(srv, srv.User())
		w.Duration = time.Hour
		var events []stschain.Event
		w.OnEvent = func(e stschain.Event) { events = append(events, e) }
		token := func() proof.Token {
			token, err := w.Token(t.Context())
			require.NoError(t, err)
			synctest.Wait()
			return token
		}
		first := token()
		advance(50 * minute) // past the advisory window
		require.Equal(t, first, token(), "no caller waits")
		second := token()
		require.NotEqual(t, first, second)
		require.Equal(t, 2, srv.Count("GetWebIdentityToken"))

		srv.FailAll(ststest.Refuse(403, "AccessDenied", "no"))
		advance(50 * minute)
		require.Equal(t, second, token(), "the cached token is valid")
		advance(11 * minute)
		_, err := w.Token(t.Context())
		require.ErrorContains(t, err, "proof: no web identity token: ")
		require.ErrorContains(t, err, "AccessDenied")
		require.ErrorIs(t, err, stschain.ErrPermanent)
		synctest.Wait()
		for _, e := range events {
			require.Equal(t, "web identity token", e.Origin)
		}
	})
}

// advance advances the clock of synctest.
func advance(d time.Duration) { <-time.After(d) }

// A token cannot outlive the session that requests it: the session is refreshed first, and otherwise the
// token is shorter, or there is none.
func TestWebIdentityEndsWithSession(t *testing.T) {
	for name, test := range map[string]struct {
		cached, fresh, minLife, want time.Duration
		err                          string
	}{
		"long":              {cached: time.Hour, want: 10 * minute},
		"refreshed first":   {cached: 5 * minute, fresh: time.Hour, want: 10 * minute},
		"clamped":           {cached: 5 * minute, want: 5*minute - 5*time.Second},
		"refused":           {cached: 5 * minute, minLife: 6 * minute, err: "6m0s are required"},
		"too short for STS": {cached: 64 * time.Second, err: "too early for a token of the minimum duration, 1m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := ststest.NewTest(t)
			c := fakeClock()
			srv.Clock = c
			lives := []time.Duration{test.cached, test.fresh}
			base := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
				life := lives[0]
				lives = lives[1:]
				if life == 0 {
					return stschain.Credentials{}, errors.New("source down")
				}
				creds := stschain.Credentials{
					AccessKeyID: "ASIAEXAMPLE00" + string(rune('A'+len(lives))), SecretAccessKey: stschain.NewSecret(secretKey),
					SessionToken: stschain.NewSecret(sessionToken), Expires: c.Now().Add(life), Origin: "a test",
				}
				srv.AddKeys("arn:aws:sts::123456789012:assumed-role/web/session", creds)
				return creds, nil
			})
			cache := &stschain.Cache{Provider: base, Clock: c, AdvisoryWindow: 2 * minute}
			if test.fresh > 0 { // the cached session was once long
				lives[0] = time.Hour
				_, err := cache.Retrieve(t.Context())
				require.NoError(t, err)
				c.Add(time.Hour - test.cached)
			}
			w := outbound(srv, cache)
			w.Duration, w.MinLife = 10*minute, test.minLife
			token, err := w.Token(t.Context())
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.Now().Add(test.want).UTC(), token.Expires.UTC())
		})
	}
}

func TestWebIdentityInvalidate(t *testing.T) {
	srv := ststest.NewTest(t)
	c := fakeClock()
	srv.Clock = c
	w := outbound(srv, srv.User())
	w.Invalidate(proof.Token{Value: stschain.NewSecret("none in hand")})
	first, err := w.Token(t.Context())
	require.NoError(t, err)
	c.Add(2 * time.Second)
	w.Invalidate(proof.Token{Value: stschain.NewSecret("another")})
	same, err := w.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, same)
	w.Invalidate(first)
	next, err := w.Token(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first.Value, next.Value)
	(&proof.WebIdentity{}).Invalidate(first) // does not panic
}

func TestWebIdentityRefusals(t *testing.T) {
	c := client(example, fakeClock())
	a := []string{"a"}
	for want, w := range map[string]*proof.WebIdentity{
		"Client is missing":                      {Audience: a},
		"Audience is missing":                    {Client: c},
		"Duration is 30s, and 1m0s to 1h0m0s":    {Client: c, Audience: a, Duration: 30 * time.Second},
		"Duration is 2h0m0s, and 1m0s to 1h0m0s": {Client: c, Audience: a, Duration: 2 * time.Hour},
		"MinLife is 5m0s, and 0 to 4m55s":        {Client: c, Audience: a, MinLife: 5 * minute}, // no token is valid so long when it arrives
		"MinLife is 1m0s, and 0 to 55s":          {Client: c, Audience: a, Duration: minute, MinLife: minute},
		"MinLife is -1s, and 0 to 4m55s":         {Client: c, Audience: a, MinLife: -time.Second},
		"Client.Credentials is missing":          {Client: &stsquery.Client{Region: region}, Audience: a},
		"SigningAlgorithm is \"HS256\"":          {Client: c, Audience: a, Algorithm: "HS256"},
	} {
		_, err := w.Token(t.Context())
		require.ErrorContains(t, err, "proof: no web identity token: ")
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
	}
	srv := ststest.NewTest(t)
	_, err := outbound(srv, stschain.Static("", "", "")).Token(t.Context())
	require.ErrorContains(t, err, "static credentials are empty")
	require.False(t, stschain.IsUnavailable(err), "%v", err)
}
