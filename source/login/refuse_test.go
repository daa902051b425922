package login_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// inBubble runs f in a world that is on the time of a synctest bubble.
func inBubble(t *testing.T, left time.Duration, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, document(time.Now().Add(left)))
		w.Clock, w.service.now = nil, time.Now
		f(t, w)
	})
}

// TestRefusals is every code of the service's model, and what is none, with each status that it
// may come with, while the credentials live and when they have expired.
func TestRefusals(t *testing.T) {
	const login = "; run aws login --profile dev"
	for _, tt := range []struct {
		status    int
		code      string
		attempts  int
		permanent bool // with nothing to serve
		final     bool // with credentials that live as well
		want      string
	}{
		{401, "TOKEN_EXPIRED", 1, true, true, "; the session has ended" + login},
		{400, "TOKEN_EXPIRED", 1, true, true, "; the session has ended" + login},
		{401, "AUTHCODE_EXPIRED", 1, true, true, "; the sign-in was not completed" + login},
		{403, "USER_CREDENTIALS_CHANGED", 1, true, true, "; the password was changed since" + login},
		{403, "INSUFFICIENT_PERMISSIONS", 1, true, true, "; signin:CreateOAuth2Token is not allowed, for which there is the policy SignInLocalDevelopmentAccess" + login},
		{400, "INVALID_REQUEST", 1, true, false, "returned 400 Bad Request, INVALID_REQUEST: It says INVALID_REQUEST." + login},
		{404, "RESOURCE_NOT_FOUND", 1, true, false, login},
		{409, "CONFLICT", 1, true, false, login},
		{402, "SERVICE_QUOTA_EXCEEDED", 1, true, false, login},
		{400, "LATER_CODE", 1, true, false, "LATER_CODE"},
		{429, "INVALID_REQUEST", 3, false, false, "returned 429 Too Many Requests, INVALID_REQUEST"},
		{500, "server_error", 3, false, false, "returned 500 Internal Server Error, server_error"},
		{503, "", 3, false, false, "returned 503"},
		{408, "", 3, false, false, "returned 408"},
		{500, "TOKEN_EXPIRED", 3, false, false, "returned 500"},
		{400, "", 1, false, false, "returned 400 Bad Request"},
		{403, "", 1, false, false, "returned 403 Forbidden"},
		{302, "", 1, false, false, "returned 302 Found"},
		{204, "", 1, false, false, "returned 204 No Content"},
	} {
		for _, left := range []time.Duration{time.Minute, 0} {
			t.Run(fmt.Sprintf("%d %s, %v left", tt.status, tt.code, left), func(t *testing.T) {
				inBubble(t, left, func(t *testing.T, w *world) {
					a := response{status: tt.status, body: "<html>"}
					if tt.code != "" {
						a = refusal(tt.status, tt.code)
					}
					w.service.next(a.status, a.body, 9)
					creds, err := w.Retrieve(t.Context())
					require.Len(t, w.service.requests, tt.attempts)
					require.Equal(t, refresh, w.read(t)["refreshToken"])
					if left > 0 && !tt.final {
						require.NoError(t, err)
						require.Equal(t, "ASIAOLD", creds.AccessKeyID)
						return
					}
					require.ErrorContains(t, err, tt.want)
					require.Equal(t, tt.permanent, errors.Is(err, stschain.ErrPermanent))
					require.Equal(t, tt.status == 429, errors.Is(err, stschain.ErrThrottled))
					require.Equal(t, tt.permanent, strings.HasSuffix(err.Error(), login))
					require.False(t, stschain.IsUnavailable(err), "%v", err)
					require.NotContains(t, err.Error(), "clock")
				})
			})
		}
	}
}

// Reports: aws-sdk-go-v2#3542.
func TestAnswers(t *testing.T) {
	const keys = `"accessKeyId":"A","secretAccessKey":"` + secret + `","sessionToken":"t"`
	for name, tt := range map[string]struct{ body, want string }{
		"nothing":        {"", "not a JSON object"},
		"HTML":           {"<html>" + secret, "not a JSON object"},
		"null":           {"null", "invalid accessToken"},
		"no accessToken": {`{"expiresIn":900}`, "invalid accessToken: it is empty"},
		"text":           {`{"accessToken":"` + secret + `","expiresIn":900}`, "invalid accessToken: it is not a JSON object"},
		"no keys":        {`{"accessToken":{},"expiresIn":900}`, "it has no AccessKeyId"},
		"no expiresIn":   {`{"accessToken":{` + keys + `}}`, "expiresIn is not between 1 and 43200 seconds"},
		"negative":       {`{"accessToken":{` + keys + `},"expiresIn":-1}`, "expiresIn"},
		"too long":       {`{"accessToken":{` + keys + `},"expiresIn":43201}`, "expiresIn"},
		"overflow":       {`{"accessToken":{` + keys + `},"expiresIn":9223372036854775807}`, "expiresIn"},
		"text as number": {`{"accessToken":{` + keys + `},"expiresIn":"` + secret + `"}`, "not a JSON object"},
		"OAuth's names":  {`{"access_token":{` + keys + `},"expires_in":900}`, "invalid accessToken"},
		"too much":       {`{"accessToken":{` + keys + `},"expiresIn":900,"x":"` + strings.Repeat("x", 64<<10) + `"}`, "response body exceeds 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 0, func(t *testing.T, w *world) {
				w.service.next(200, tt.body, 3)
				_, err := w.Retrieve(t.Context())
				require.ErrorContains(t, err, "eu-west-1.signin.aws.amazon.com")
				require.ErrorContains(t, err, tt.want)
				require.NotErrorIs(t, err, stschain.ErrPermanent)
				require.NotContains(t, err.Error(), secret)
				require.Equal(t, refresh, w.read(t)["refreshToken"])
			})
		})
	}
}

func TestRetries(t *testing.T) {
	for name, failure := range map[string]response{
		"503":        {status: 503},
		"no network": {err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}},
		"cut off":    {status: 200, body: `{"acc`},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 0, func(t *testing.T, w *world) {
				for range 2 {
					w.service.first = append(w.service.first, func() response { return failure })
				}
				start := time.Now()
				creds, err := w.Retrieve(t.Context())
				require.NoError(t, err)
				require.Equal(t, "ASIANEW1", creds.AccessKeyID)
				require.Equal(t, start.Add(time.Since(start)+15*time.Minute).Truncate(time.Second).UTC(), creds.Expires)
			})
		})
	}
}

// TestHanging: a service that never responds delays no caller longer than 20 s, and no caller that has
// credentials that live is left without.
func TestHanging(t *testing.T) {
	hang := func(w *world) {
		w.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
	}
	inBubble(t, 0, func(t *testing.T, w *world) {
		hang(w)
		start := time.Now()
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, "eu-west-1.signin.aws.amazon.com: no response: waited 5s")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, stschain.ErrPermanent)
		require.Less(t, time.Since(start), 20*time.Second)
	})
	inBubble(t, time.Minute, func(t *testing.T, w *world) {
		hang(w)
		creds, err := w.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, "ASIAOLD", creds.AccessKeyID)
	})
	inBubble(t, time.Second, func(t *testing.T, w *world) {
		hang(w)
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, "waited 5s", "they expired during the wait")
	})
}
