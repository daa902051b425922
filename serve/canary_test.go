package serve_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/serve"
)

// A Handler that has served holds credentials in its cache, and shows neither them nor its token;
// nor does what it answers, or tells, of a provider that fails with them in hand.
func TestCanary(t *testing.T) { synctest.Test(t, testCanary) }

func testCanary(t *testing.T) {
	live := session()
	live.Expires = time.Now().Add(time.Hour)
	h := &serve.Handler{Credentials: giving(live), Token: stschain.NewSecret(token)}
	require.Equal(t, http.StatusOK, ask(t, h, request()).Code)
	synctest.Wait() // its fields are read while they are shown
	for _, s := range []string{secret, token} {
		canary.Check(t, s, h, serve.NewToken(), h.Token)
	}
	for name, fault := range map[string]func() (stschain.Credentials, error){
		"a panic with them":    func() (stschain.Credentials, error) { panic(live) },
		"a panic that is text": func() (stschain.Credentials, error) { panic(fmt.Sprintf("%#v", live)) },
		"Goexit":               func() (stschain.Credentials, error) { runtime.Goexit(); return live, nil },
		"an error with them": func() (stschain.Credentials, error) {
			return live, fmt.Errorf("of %+v: %w", live, stschain.ErrPermanent)
		},
		"incomplete": func() (stschain.Credentials, error) { c := live; c.AccessKeyID = ""; return c, nil },
		"expired":    func() (stschain.Credentials, error) { c := live; c.Expires = time.Unix(1, 0); return c, nil },
		"no text":    func() (stschain.Credentials, error) { c := live; c.AccessKeyID = "\xff"; return c, nil },
	} {
		var told []error
		broken := &serve.Handler{
			Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return fault() }),
			Token:       h.Token, OnError: func(err error) { told = append(told, err) },
		}
		w := ask(t, broken, request()) // which looks at the body
		require.NotEqual(t, http.StatusOK, w.Code, name)
		require.Len(t, told, 1, name)
		synctest.Wait()
		for _, s := range []string{secret, token} {
			canary.Check(t, s, told[0], broken)
			canary.CheckText(t, s, fmt.Sprint(w.Header())+w.Body.String())
		}
	}
}

// Whoever answers with a token of another server is told nothing about it.
func TestForeignTokenIsNotRepeated(t *testing.T) {
	const foreign = "canary-4711-of-another-server"
	var told error
	h := handler(giving(session()))
	h.OnError = func(err error) { told = err }
	r := request()
	r.Header.Set("Authorization", foreign)
	r.Header.Set("Cookie", foreign)
	r.URL.RawQuery = "token=" + foreign
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	canary.Check(t, foreign, told, h)
	canary.CheckText(t, foreign, fmt.Sprint(w.Header())+w.Body.String())
}
