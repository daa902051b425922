package proof_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/proof"
)

// Responses that are not a token, and refusals. None shows what it contains.
func TestSignInResponses(t *testing.T) {
	const token = `"access_token":"` + bearerToken + `"`
	for name, test := range map[string]struct {
		status       int
		body         string
		want         string
		is           error
		code, reason string
	}{
		"error document":    {200, `{"__type":"AccessDeniedException","error":"INSUFFICIENT_PERMISSIONS","message":"no"}`, "200 OK: AccessDeniedException: INSUFFICIENT_PERMISSIONS: no: unexpected response: not a JSON object with", nil, "AccessDeniedException", "INSUFFICIENT_PERMISSIONS"},
		"error and token":   {200, `{"error":"x","message":"` + bearerToken + `",` + token + `}`, "a message that is not shown", nil, "", "x"},
		"HTML":              {200, "<!DOCTYPE html><html><h1>" + bearerToken + "</h1></html>", "200 OK: unexpected response: not a JSON object", nil, "", ""},
		"XML of STS":        {200, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"/>`, "not a JSON object", nil, "", ""},
		"empty":             {200, "", "not a JSON object", nil, "", ""},
		"array":             {200, "[]", "not a JSON object", nil, "", ""},
		"null":              {200, "null", "not a JSON object", nil, "", ""},
		"truncated":         {200, `{` + token, "not a JSON object", nil, "", ""},
		"no token":          {200, `{"token_type":"Bearer","expires_in":900}`, "not a JSON object with access_token", nil, "", ""},
		"token object":      {200, `{"access_token":{"a":"` + bearerToken + `"},"token_type":"Bearer","expires_in":900}`, "not a JSON object with access_token", nil, "", ""},
		"no expiry":         {200, `{` + token + `,"token_type":"Bearer"}`, "expires_in is missing", nil, "", ""},
		"negative expiry":   {200, `{` + token + `,"token_type":"Bearer","expires_in":-1}`, "expires_in is missing, or not between 1 and 43200", nil, "", ""},
		"long expiry":       {200, `{` + token + `,"token_type":"Bearer","expires_in":43201}`, "expires_in is missing, or not between 1 and 43200", nil, "", ""},
		"expiry as text":    {200, `{` + token + `,"token_type":"Bearer","expires_in":"900"}`, "not a JSON object with access_token", nil, "", ""},
		"expiry too large":  {200, `{` + token + `,"token_type":"Bearer","expires_in":99999999999999999999}`, "not a JSON object", nil, "", ""},
		"another type":      {200, `{` + token + `,"token_type":"DPoP","expires_in":900}`, "token_type is not Bearer", nil, "", ""},
		"no type":           {200, `{` + token + `,"expires_in":900}`, "token_type is not Bearer", nil, "", ""},
		"issued type":       {200, `{` + token + `,"token_type":"Bearer","expires_in":900,"issued_token_type":"urn:ietf:params:oauth:token-type:id_token"}`, "issued_token_type is not", nil, "", ""},
		"header injection":  {200, `{"access_token":"` + bearerToken + `\r\nX: y","token_type":"Bearer","expires_in":900}`, "access_token has characters", nil, "", ""},
		"created":           {201, `{` + token + `,"token_type":"Bearer","expires_in":900}`, "201 Created", nil, "", ""},
		"redirect":          {307, "", "307 Temporary Redirect: unexpected response", nil, "", ""},
		"refused":           {400, `{"__type":"AccessDeniedException","error":"INSUFFICIENT_PERMISSIONS","message":"no"}`, "the caller's policies must allow", stschain.ErrPermanent, "AccessDeniedException", "INSUFFICIENT_PERMISSIONS"},
		"namespace":         {400, `{"__type":"com.amazonaws.signin#InvalidScopeException","message":"no"}`, "InvalidScopeException: no; check Scope", stschain.ErrPermanent, "InvalidScopeException", ""},
		"plain OAuth":       {400, `{"error":"invalid_target","error_description":"who?"}`, "invalid_target: who?; check Resource", stschain.ErrPermanent, "", "invalid_target"},
		"proxy":             {403, "<html>" + bearerToken, "403 Forbidden: unexpected response", nil, "", ""},
		"throttled":         {429, `{"__type":"TooManyRequestsError","error":"rate_exceeded"}`, "429 Too Many Requests: TooManyRequestsError", stschain.ErrThrottled, "TooManyRequestsError", "rate_exceeded"},
		"throttled, no doc": {429, "", "429 Too Many Requests", stschain.ErrThrottled, "", ""},
		"echo of a secret":  {400, `{"__type":"ValidationException","message":"bad token ` + sessionToken + `"}`, "a message that is not shown", stschain.ErrPermanent, "ValidationException", ""},
		"secret as code":    {400, `{"__type":"` + secretKey + `"}`, "400 Bad Request", stschain.ErrPermanent, "a message that is not shown, since it holds a secret", ""},
		"too large":         {200, strings.Repeat(" ", 64<<10+1), "response body exceeds 65536 bytes", nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var calls int
			b := responding(test.status, "application/json", test.body, &calls)
			_, err := b.Token(t.Context())
			require.ErrorContains(t, err, test.want)
			require.Equal(t, 1, calls)
			canary.Check(t, bearerToken, err)
			canary.Check(t, secretKey, err)
			canary.Check(t, sessionToken, err)
			for _, class := range []error{stschain.ErrPermanent, stschain.ErrThrottled} {
				require.Equal(t, class == test.is, errors.Is(err, class), "%v", err)
			}
			require.False(t, stschain.IsUnavailable(err))
			if name == "too large" {
				return
			}
			refused, ok := errors.AsType[*proof.SignInError](err)
			require.True(t, ok)
			require.Equal(t, test.status, refused.StatusCode)
			require.Equal(t, test.code, refused.Code)
			require.Equal(t, test.reason, refused.Reason)
			require.Equal(t, createBearer, refused.Operation)
			require.Equal(t, "eu-west-1.oauth.signin.aws", refused.Endpoint)
		})
	}
}

// Without a response, or with one that may change, another attempt is made.
func TestSignInRetries(t *testing.T) {
	good := `{"access_token":"` + bearerToken + `","token_type":"Bearer","expires_in":900}`
	for name, test := range map[string]struct {
		first func(*http.Request) (*http.Response, error)
		calls int
	}{
		"no response": {func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }, 2},
		"503":         {func(r *http.Request) (*http.Response, error) { return response(r, 503, "text/html", ""), nil }, 2},
		"200 HTML":    {func(r *http.Request) (*http.Response, error) { return response(r, 200, "text/html", "<html>"), nil }, 2},
		"400": {func(r *http.Request) (*http.Response, error) {
			return response(r, 400, "application/json", `{"__type":"ValidationException"}`), nil
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				b := &proof.Bearer{Credentials: example, Region: region, Resource: "ecr.amazonaws.com", HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
					if calls++; calls == 1 {
						return test.first(r)
					}
					return response(r, 200, "application/json", good), nil
				})}}
				_, err := b.Token(t.Context())
				require.Equal(t, test.calls, calls)
				require.Equal(t, test.calls == 2, err == nil, "%v", err)
			})
		})
	}
}

// Neither errors, events, traces nor the types themselves show a token, a key or what was exchanged.
func TestSignInSecrets(t *testing.T) {
	const jwt = "eyJhbGciOiJFUzI1NiJ9.canary4711payload.canary4711signature"
	good := `{"access_token":"` + bearerToken + `","token_type":"Bearer","expires_in":900}`
	for name, respond := range map[string]func(r *http.Request, body string) (*http.Response, error){
		"token": func(r *http.Request, _ string) (*http.Response, error) {
			return response(r, 200, "application/json", good), nil
		},
		"transport": func(r *http.Request, body string) (*http.Response, error) {
			return nil, fmt.Errorf("cannot send %s %v", body, r.Header)
		},
		"echo": func(r *http.Request, body string) (*http.Response, error) {
			return response(r, 400, "application/json", fmt.Sprintf(`{"__type":"ValidationException","message":%q}`, body+fmt.Sprint(r.Header))), nil
		},
		"rejected session": func(r *http.Request, body string) (*http.Response, error) {
			return response(r, 403, "application/json", fmt.Sprintf(`{"__type":"ExpiredTokenException","message":%q}`, fmt.Sprint(r.Header))), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
					body, err := io.ReadAll(r.Body)
					require.NoError(t, err)
					return respond(r, string(body))
				})}
				var mu sync.Mutex
				var seen []any
				note := func(v ...any) {
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, v...)
				}
				onEvent := func(e stschain.Event) { note(e) }
				b := &proof.Bearer{Credentials: example, Region: region, Resource: "ecr.amazonaws.com", HTTPClient: client, OnEvent: onEvent, MaxAttempts: 1}
				x := &proof.TokenExchange{SubjectToken: subject(jwt), Region: region, Resource: "glue.amazonaws.com", HTTPClient: client, OnEvent: onEvent, MaxAttempts: 1}
				trace := &stschain.Trace{
					Begin: func(ctx context.Context, s stschain.Step) context.Context {
						note(s, fmt.Sprintf("%v", s.Provider))
						return ctx
					},
					End: func(_ context.Context, s stschain.Step) { note(s) },
				}
				ctx := stschain.WithTrace(t.Context(), trace)
				for _, make := range []maker{b.Token, x.Token} {
					token, err := make(ctx)
					require.Equal(t, name == "token", err == nil, "%v", err)
					synctest.Wait()
					note(token, err)
				}
				require.Greater(t, len(seen), 4)
				for _, secret := range []string{bearerToken, jwt, secretKey, sessionToken} {
					canary.Check(t, secret, b, x)
					for _, v := range seen {
						if v != nil {
							canary.Check(t, secret, v)
						}
					}
				}
			})
		})
	}
}

// A caller that gives up waits for nothing, and a request has an end.
func TestSignInHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		x := &proof.TokenExchange{SubjectToken: subject("a.b.c"), Region: region, Resource: "glue.amazonaws.com", HTTPClient: hang}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := x.Token(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
		_, err = x.Token(t.Context())
		require.ErrorContains(t, err, "waited 5s")
		require.Less(t, time.Since(began), 20*time.Second)
	})
}
