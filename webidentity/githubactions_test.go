package webidentity_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

const requestToken = "canary-4711-request-token"

// runner returns the environment of a job whose runner has that URL.
func runner(url string) environment {
	return environment{"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": requestToken}
}

func TestGitHubActions(t *testing.T) {
	srv := ststest.NewTest(t)
	job := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+requestToken || r.URL.Query().Get("api-version") != "2.0" {
			t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
		}
		token := srv.Issuer().Token(map[string]any{"aud": r.URL.Query().Get("audience")})
		fmt.Fprintf(w, `{"count":42,"value":%q}`, token.Reveal())
	}))
	defer job.Close()
	g := &webidentity.GitHubActions{LookupEnv: runner(job.URL + "/job?api-version=2.0").lookup}
	out, err := with(srv, g.Token).AssumeRoleWithWebIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, "sts.amazonaws.com", out.Audience)

	srv.AllowRefusals("InvalidIdentityToken")
	g = &webidentity.GitHubActions{LookupEnv: g.LookupEnv, Audience: "another one & more"}
	token, err := g.Token(t.Context())
	require.NoError(t, err)
	_, _, audiences, _, _ := webidentity.Peek(token.Reveal())
	require.Equal(t, []string{"another one & more"}, audiences)
}

func TestGitHubActionsRefusesURLs(t *testing.T) {
	for url, want := range map[string]string{
		"":                             "ACTIONS_ID_TOKEN_REQUEST_URL is not set: this is not a GitHub Actions job",
		"http://runner.example/":       "is not an https URL",
		"ftp://runner.example/":        "is not an https URL",
		"https://user:pw@runner/":      "is not a valid URL",
		"runner.example":               "is not a valid URL",
		"https://":                     "is not a valid URL",
		"https://x/%zz":                "is not a valid URL",
		"http://127.0.0.1.example.com": "is not an https URL",
	} {
		g := &webidentity.GitHubActions{LookupEnv: runner(url).lookup}
		_, err := g.Token(t.Context())
		require.ErrorContains(t, err, want, url)
		canary.Check(t, requestToken, err)
	}
	env := runner("https://runner.example")
	env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = ""
	_, err := (&webidentity.GitHubActions{LookupEnv: env.lookup}).Token(t.Context())
	require.ErrorContains(t, err, "permission id-token: write")
	env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = requestToken + "\nX: y"
	_, err = (&webidentity.GitHubActions{LookupEnv: env.lookup}).Token(t.Context())
	require.ErrorContains(t, err, "not valid in a header")
	canary.Check(t, requestToken, err)
}

// Responses of the runner are bounded in size, and never shown.
func TestGitHubActionsResponses(t *testing.T) {
	const secret = "canary-4711-response"
	for name, test := range map[string]struct {
		status   int
		body     string
		err      string
		attempts int
	}{
		"HTML":           {200, "<html>" + secret, "unexpected response, not JSON with a token", 1},
		"empty":          {200, `{}`, "the token is empty", 1},
		"two words":      {200, `{"value":"` + secret + ` ` + secret + `"}`, "not a single token", 1},
		"endless":        {200, `{"value":"` + strings.Repeat(secret, 10_000), "exceeds 65536 bytes", 1},
		"denied":         {403, secret, "unexpected response: 403 Forbidden", 1},
		"redirect":       {302, secret, "unexpected response: 302 Found", 1},
		"throttled":      {429, secret, "unexpected response: 429", 3},
		"out of service": {503, secret, "unexpected response: 503", 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				g := &webidentity.GitHubActions{
					LookupEnv: runner("https://runner.example/?api-version=2.0").lookup,
					HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
						attempts++
						w := httptest.NewRecorder()
						w.Header().Set("Location", "https://elsewhere.example/")
						w.WriteHeader(test.status)
						w.WriteString(test.body)
						return w.Result(), nil
					})},
				}
				_, err := g.Token(t.Context())
				require.ErrorContains(t, err, "GitHub Actions: runner.example: ")
				require.ErrorContains(t, err, test.err)
				require.Equal(t, test.attempts, attempts)
				require.Equal(t, test.status == 429, errors.Is(err, stschain.ErrThrottled))
				canary.Check(t, secret, err)
				canary.Check(t, requestToken, err, g)
			})
		})
	}
}

func TestGitHubActionsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		g := &webidentity.GitHubActions{
			LookupEnv: runner("https://runner.example/").lookup,
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if attempts++; attempts < 3 {
					return nil, errors.New("lost " + r.Header.Get("Authorization"))
				}
				w := httptest.NewRecorder()
				w.WriteString(`{"value":"a-token"}`)
				return w.Result(), nil
			})},
		}
		token, err := g.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a-token", token.Reveal())

		attempts = -10
		_, err = g.Token(t.Context())
		require.ErrorContains(t, err, "runner.example: no response")
		canary.Check(t, requestToken, err)
	})
}

// Attempts at a runner that hangs time out, and a caller can give up.
func TestGitHubActionsHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &webidentity.GitHubActions{
			LookupEnv: runner("https://runner.example/").lookup,
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			})},
		}
		start := time.Now()
		_, err := g.Token(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.InDelta(t, 16.1, time.Since(start).Seconds(), 0.4, "three attempts of 5 s, with pauses of up to 0.5 and 1 s")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		_, err = g.Token(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
	})
}
