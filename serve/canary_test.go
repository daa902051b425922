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

// A Handler prints neither its cached credentials nor its token. Its responses and errors contain neither,
// even if the provider fails with credentials in its error.
func TestCanary(t *testing.T) { synctest.Test(t, testCanary) }

func testCanary(t *testing.T) {
	valid := session()
	valid.Expires = time.Now().Add(time.Hour)
	h := &serve.Handler{Credentials: providing(valid), Token: stschain.NewSecret(token)}
	require.Equal(t, http.StatusOK, do(t, h, request()).Code)
	synctest.Wait() // its fields are read while they are printed
	for _, s := range []string{secret, token} {
		canary.Check(t, s, h, serve.NewToken(), h.Token)
	}
	for name, fault := range map[string]func() (stschain.Credentials, error){
		"a panic with them":    func() (stschain.Credentials, error) { panic(valid) },
		"a panic that is text": func() (stschain.Credentials, error) { panic(fmt.Sprintf("%#v", valid)) },
		"Goexit":               func() (stschain.Credentials, error) { runtime.Goexit(); return valid, nil },
		"an error with them": func() (stschain.Credentials, error) {
			return valid, fmt.Errorf("of %+v: %w", valid, stschain.ErrPermanent)
		},
		"incomplete": func() (stschain.Credentials, error) { c := valid; c.AccessKeyID = ""; return c, nil },
		"expired":    func() (stschain.Credentials, error) { c := valid; c.Expires = time.Unix(1, 0); return c, nil },
		"no text":    func() (stschain.Credentials, error) { c := valid; c.AccessKeyID = "\xff"; return c, nil },
	} {
		var errs []error
		broken := &serve.Handler{
			Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return fault() }),
			Token:       h.Token, OnError: func(err error) { errs = append(errs, err) },
		}
		w := do(t, broken, request())
		require.NotEqual(t, http.StatusOK, w.Code, name)
		require.Len(t, errs, 1, name)
		synctest.Wait()
		for _, s := range []string{secret, token} {
			canary.Check(t, s, errs[0], broken)
			canary.CheckText(t, s, fmt.Sprint(w.Header())+w.Body.String())
		}
	}
}

// The token of another server is not repeated.
func TestForeignTokenIsNotRepeated(t *testing.T) {
	const foreign = "canary-4711-of-another-server"
	var got error
	h := handler(providing(session()))
	h.OnError = func(err error) { got = err }
	r := request()
	r.Header.Set("Authorization", foreign)
	r.Header.Set("Cookie", foreign)
	r.URL.RawQuery = "token=" + foreign
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	canary.Check(t, foreign, got, h)
	canary.CheckText(t, foreign, fmt.Sprint(w.Header())+w.Body.String())
}
