package oauth2sts_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/oauth2sts"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func identity(srv *ststest.Server) *proof.WebIdentity {
	return &proof.WebIdentity{
		Client:    &stsquery.Client{Credentials: srv.User(), Region: "eu-west-1", HTTPClient: srv.Client()},
		Audience:  []string{"https://api.example"},
		Algorithm: "ES384", // whose keys are made quickest
		Duration:  10 * time.Minute,
	}
}

// verifier is a service that takes tokens of AWS.
type verifier struct {
	srv   *ststest.Server
	calls int
}

func (v *verifier) RoundTrip(r *http.Request) (*http.Response, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	claims, err := v.srv.Outbound().Verify(stschain.NewSecret(token), time.Now())
	if !ok || err != nil || claims["aud"] != "https://api.example" || claims["sub"] != v.srv.User().ARN {
		return nil, errors.New("the service does not believe the token")
	}
	v.calls++
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// For an hour, every request of oauth2's Transport has a token that is good, and none
// but the first waits for it.
func TestTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		srv.FailAll(ststest.Slow(time.Millisecond)) // byte by byte
		service := &verifier{srv: srv}
		client := &http.Client{Transport: &oauth2.Transport{Source: oauth2sts.TokenSource(t.Context(), identity(srv)), Base: service}}
		for i := range 120 {
			began := time.Now()
			resp, err := client.Get("https://api.example/")
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, i == 0, time.Since(began) > 0, "request %d waited %v", i, time.Since(began))
			<-time.After(30 * time.Second)
		}
		require.Equal(t, 120, service.calls)
		count := srv.Count("GetWebIdentityToken")
		require.True(t, 6 <= count && count <= 15, "%d tokens", count)
	})
}

// Tokens of AWS Sign-In are as good: none but the first request waits for them.
func TestSignInTokens(t *testing.T) {
	for name, test := range map[string]struct {
		operation string
		tokens    int // in six hours
		proof     func(srv *ststest.Server) oauth2sts.Proof
	}{
		"bearer": {"CreateBearerToken", 1, func(srv *ststest.Server) oauth2sts.Proof {
			return &proof.Bearer{Credentials: srv.User(), Region: "eu-west-1", Resource: "ecr.amazonaws.com", HTTPClient: srv.Client()}
		}},
		"exchange": {"CreateOAuth2TokenWithTokenExchange", 8, func(srv *ststest.Server) oauth2sts.Proof {
			subject := func(context.Context) (stschain.Secret, error) { return srv.Issuer().Token(nil), nil }
			return &proof.TokenExchange{SubjectToken: subject, Region: "eu-west-1", Resource: "glue.amazonaws.com", HTTPClient: srv.Client()}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := ststest.NewTest(t)
				srv.FailAll(ststest.Slow(time.Millisecond)) // byte by byte
				service := roundTripper(func(r *http.Request) (*http.Response, error) {
					token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
					if _, err := srv.SignIn().Verify(stschain.NewSecret(token), time.Now()); err != nil {
						return nil, err
					}
					return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
				})
				client := &http.Client{Transport: &oauth2.Transport{Source: oauth2sts.TokenSource(t.Context(), test.proof(srv)), Base: service}}
				for i := range 6 * 60 {
					began := time.Now()
					resp, err := client.Get("https://api.example/")
					require.NoError(t, err)
					require.NoError(t, resp.Body.Close())
					require.Equal(t, i == 0, time.Since(began) > 0, "request %d waited %v", i, time.Since(began))
					<-time.After(time.Minute)
				}
				count := srv.Count(test.operation)
				require.True(t, test.tokens-1 <= count && count <= test.tokens+1, "%d tokens", count)

				srv.FailAll(ststest.Refuse(400, "InvalidGrantException", "no"))
				<-time.After(12 * time.Hour)
				_, err := oauth2sts.TokenSource(t.Context(), test.proof(srv)).Token()
				refused, ok := errors.AsType[*proof.SignInError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, "InvalidGrantException", refused.Code)
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// oauth2's own cache before it does no harm.
func TestReuseTokenSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		tokens := oauth2.ReuseTokenSource(nil, oauth2sts.TokenSource(t.Context(), identity(srv)))
		for range 120 {
			token, err := tokens.Token()
			require.NoError(t, err)
			require.Equal(t, "Bearer", token.Type())
			claims, err := srv.Outbound().Verify(stschain.NewSecret(token.AccessToken), time.Now())
			require.NoError(t, err)
			require.Equal(t, strconv.FormatInt(token.Expiry.Unix(), 10), fmt.Sprint(claims["exp"]), "its true expiry")
			<-time.After(30 * time.Second)
		}
		count := srv.Count("GetWebIdentityToken")
		require.True(t, 6 <= count && count <= 15, "%d tokens", count)
	})
}

// Another proof is as good: EKS's, for the API server of a cluster.
func TestEKS(t *testing.T) {
	srv := ststest.NewTest(t)
	cluster := &proof.EKS{Client: &stsquery.Client{Credentials: srv.User(), Region: "eu-west-1", HTTPClient: srv.Client()}, Cluster: "production"}
	token, err := oauth2sts.TokenSource(t.Context(), cluster).Token()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(token.AccessToken, "k8s-aws-v1."))
	require.True(t, token.Valid())
}

// Reports: oauth2#262.
func TestContexts(t *testing.T) {
	srv := ststest.NewTest(t)
	var nobodys context.Context
	token, err := oauth2sts.TokenSource(nobodys, identity(srv)).Token()
	require.NoError(t, err)
	require.NotEmpty(t, token.AccessToken)

	ctx, cancel := context.WithCancelCause(t.Context())
	tokens := oauth2sts.TokenSource(ctx, identity(srv))
	left := errors.New("the program ends")
	cancel(left)
	_, err = tokens.Token()
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, left)
}

// static returns the same to every request.
type static string

func (s static) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(s))), Request: r}, nil
}

func TestErrors(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.OutboundDisabled = true
	srv.AllowRefusals()
	refused := &stsquery.Error{}

	panics := identity(srv)
	panics.Client = &stsquery.Client{Region: "eu-west-1", HTTPClient: srv.Client(),
		Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { panic("out of ideas") })}

	absent := identity(srv)
	absent.Client = &stsquery.Client{Region: "eu-west-1", HTTPClient: srv.Client(), Credentials: stschain.Static("", "", "")}

	expired := identity(srv)
	expired.Client = &stsquery.Client{Region: "eu-west-1", Credentials: srv.User(), HTTPClient: &http.Client{Transport: static(
		`<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult>` +
			`<WebIdentityToken>hunter4711</WebIdentityToken><Expiration>2020-01-01T00:00:00Z</Expiration>` +
			`</GetWebIdentityTokenResult></GetWebIdentityTokenResponse>`)}}

	for name, test := range map[string]struct {
		proof oauth2sts.Proof
		want  string
		is    error
	}{
		"no proof":            {nil, "oauth2sts: the Proof of TokenSource is missing", stschain.ErrPermanent},
		"not configured":      {&proof.WebIdentity{}, "oauth2sts: proof: ", stschain.ErrPermanent},
		"refused":             {identity(srv), "OutboundWebIdentityFederationDisabledException", nil},
		"panic":               {panics, "panicked at", nil},
		"no credentials":      {absent, "no credentials", nil},
		"expired credentials": {expired, "expired at 2020-01-01T00:00:00Z", nil},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := oauth2sts.TokenSource(t.Context(), test.proof).Token()
			require.ErrorContains(t, err, test.want)
			require.True(t, strings.HasPrefix(err.Error(), "oauth2sts: "), err)
			require.Nil(t, token)
			require.False(t, stschain.IsUnavailable(err), "a proof that cannot be made is not an absent one")
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			require.Equal(t, name == "refused", errors.As(err, &refused))
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "hunter4711")
		})
	}
	require.Equal(t, "OutboundWebIdentityFederationDisabledException", refused.Code)
}

// What holds a token does not show it.
func TestNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		tokens := oauth2sts.TokenSource(t.Context(), identity(srv))
		token, err := tokens.Token()
		require.NoError(t, err)
		synctest.Wait()
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", tokens, tokens, tokens), token.AccessToken)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", tokens, tokens, tokens), srv.User().Credentials.SecretAccessKey.Reveal())
	})
}
