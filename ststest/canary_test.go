package ststest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// A failed test prints what it holds: a server, its users, what it issued, and its records show no
// key and no token.
func TestCanary(t *testing.T) { synctest.Test(t, testCanary) }

func testCanary(t *testing.T) {
	srv := ststest.New()
	var seen []ststest.Call
	srv.OnCall = func(c ststest.Call) { seen = append(seen, c) }
	user := srv.User()
	p := &assumerole.Provider{Client: &stsquery.Client{Credentials: user, Region: "eu-west-1", HTTPClient: srv.Client()}, RoleARN: roleARN}
	issued, err := p.Retrieve(t.Context())
	require.NoError(t, err)

	protected := srv.Protect("sts", "", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		caller, _ := ststest.CallerFrom(r.Context())
		seen = append(seen, ststest.Call{Caller: caller.ARN, AccessKeyID: caller.AccessKeyID})
		canary.Check(t, issued.SecretAccessKey.Reveal(), caller)
		canary.Check(t, issued.SessionToken.Reveal(), caller)
	}))
	r := signed(t.Context(), host, "", issued, time.Now())
	r.Body = io.NopCloser(strings.NewReader(""))
	w := httptest.NewRecorder()
	protected.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	signedQuery, err := (&stsquery.Client{Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return issued, nil }), Region: "eu-west-1"}).
		Presign(t.Context(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
	require.NoError(t, err)
	resp, err := srv.Client().Get(signedQuery.URL.Reveal())
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	_, signature, _ := strings.Cut(signedQuery.URL.Reveal(), "X-Amz-Signature=")

	synctest.Wait()
	require.Len(t, seen, 3)
	for _, s := range []string{user.Credentials.SecretAccessKey.Reveal(), issued.SecretAccessKey.Reveal(), issued.SessionToken.Reveal(), signature} {
		canary.Check(t, s, srv, user, &user, issued, seen, srv.Calls())
		canary.CheckText(t, s, w.Body.String())
	}
}
