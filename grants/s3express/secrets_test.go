package s3express_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants/s3express"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

const (
	canaryKey   = "canary/secret+key=4711"
	canaryToken = "canary/session+token=4712"
)

// TestSecrets: neither keys nor tokens nor signatures are in an error, an event, a trace, an Identity or a dump.
func TestSecrets(t *testing.T) {
	var signature string
	for name, respond := range map[string]func(r *http.Request) (int, string){
		"echo": func(r *http.Request) (int, string) {
			return 403, "<Error><Code>AccessDenied</Code><Message>" + r.Header.Get("Authorization") + canaryKey + r.Header.Get("X-Amz-Security-Token") + "</Message></Error>"
		},
		"code": func(r *http.Request) (int, string) { return 403, "<Error><Code>" + canaryToken + "</Code></Error>" },
		"root": func(r *http.Request) (int, string) { return 200, "<canary-session-token-4712.canary/>" },
		"base64": func(r *http.Request) (int, string) {
			return 400, "<Error><Code>X</Code><Message>" + base64.StdEncoding.EncodeToString([]byte(canaryToken)) + "</Message></Error>"
		},
		"escaped": func(r *http.Request) (int, string) {
			return 400, "<Error><Code>X</Code><Message>" + url.QueryEscape(canaryToken) + "</Message></Error>"
		},
		"HTML": func(r *http.Request) (int, string) { return 200, "<html>" + canaryToken },
		"no expiry": func(r *http.Request) (int, string) {
			return 200, "<CreateSessionResult><Credentials><SecretAccessKey>" + canaryKey + "</SecretAccessKey></Credentials></CreateSessionResult>"
		},
		"bad expiry": func(r *http.Request) (int, string) {
			return 200, strings.NewReplacer("2099-06-26T17:33:30Z", canaryToken, "SECRET", canaryKey).Replace(response)
		},
		"error": nil,
	} {
		p := &s3express.Provider{Credentials: stschain.Static("AKIDEXAMPLE", canaryKey, canaryToken), Bucket: bucket, Region: "us-west-2", MaxAttempts: 1}
		p.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			_, signature, _ = strings.Cut(r.Header.Get("Authorization"), "Signature=")
			if respond == nil {
				return nil, errors.New("dial " + r.Header.Get("Authorization") + r.Header.Get("X-Amz-Security-Token"))
			}
			status, body := respond(r)
			return &http.Response{StatusCode: status, Header: http.Header{"X-Amz-Request-Id": {canaryToken}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})}
		_, err := p.Retrieve(t.Context())
		require.Error(t, err, name)
		for _, s := range []string{canaryKey, canaryToken, signature} {
			canary.Check(t, s, err, p)
		}
	}
	for _, misplaced := range []*s3express.Provider{{Bucket: canaryKey}, {Bucket: bucket, Region: canaryKey}, {Bucket: bucket, Region: "us-west-2", Endpoint: "https://user:" + canaryKey + "@x"}} {
		misplaced.Credentials = stschain.Static("AKIDEXAMPLE", "secret", "")
		_, err := misplaced.Retrieve(t.Context())
		require.Error(t, err)
		canary.Check(t, canaryKey, err, misplaced.String())
	}
}

// TestSecretsOfSessions: those of a session that works.
func TestSecretsOfSessions(t *testing.T) {
	events := make(chan stschain.PoolEvent[s3express.Bucket], 16)
	steps := make(chan stschain.Step, 16)
	w := newWorld(t, ststest.DirectoryBuckets{}, func(s *s3express.Sessions) { s.OnEvent = func(e stschain.PoolEvent[s3express.Bucket]) { events <- e } })
	trace := &stschain.Trace{End: func(_ context.Context, s stschain.Step) { steps <- s }}
	r := request(t, "PUT", object, "hello").WithContext(stschain.WithTrace(t.Context(), trace))
	resp, err := w.client.Do(r)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, r.Header, resp.Request.Header, "the request is the caller's")
	p, err := w.sessions.CredentialsFor(r)
	require.NoError(t, err)
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	id, err := (&s3express.Provider{Credentials: w.User(), Bucket: bucket, Region: "us-west-2"}).Identity(t.Context())
	require.NoError(t, err)
	user := w.User()
	values := []any{creds, <-events, <-events, (<-steps).Name, (<-steps).Name, id, w.sessions.Pool().Status(), w.Calls()}
	w.sessions.HTTPClient, w.sessions.Clock, w.sessions.OnEvent = nil, nil, nil // a dump would go through all of testing.T
	for _, s := range []string{creds.SecretAccessKey.Reveal(), creds.SessionToken.Reveal(), user.Credentials.SecretAccessKey.Reveal()} {
		canary.Check(t, s, values...)
	}
	link, err := w.client.Transport.(*sigv4.Transport).Presign(request(t, "GET", object, ""), time.Minute)
	require.NoError(t, err)
	canary.Check(t, creds.SessionToken.Reveal(), link)
}

// TestShortSessions: sessions that are shorter than every window are not created for each request.
func TestShortSessions(t *testing.T) {
	w := newWorld(t, ststest.DirectoryBuckets{}, nil)
	w.Lifetime = 20 * time.Second
	for range 4 {
		status, _ := w.do(t, request(t, "PUT", object, "hello"))
		require.Equal(t, 200, status)
		w.clock.Add(time.Second)
	}
	require.Equal(t, 1, w.Count("CreateSession"))
	w.clock.Add(20 * time.Second)
	status, _ := w.do(t, request(t, "GET", object, ""))
	require.Equal(t, 200, status)
	require.Equal(t, 2, w.Count("CreateSession"))

	// One that has expired on arrival is not used.
	w.clock.Add(20 * time.Second)
	w.FailAll(ststest.ExpiredOnArrival())
	_, err := w.client.Do(request(t, "GET", object, ""))
	require.ErrorContains(t, err, "expired")
}
