package container_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/source/container"
)

const (
	secret   = "wJalrXUtnFEMI/hunter4711+KEY"
	token    = "canary-4711-agent-token=="
	document = `{"RoleArn":"arn:aws:iam::123456789012:role/task","AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"` + secret +
		`","Token":"` + secret + `","Expiration":"2026-11-21T18:00:00Z","AccountId":"123456789012"}`

	relative  = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="
	full      = "AWS_CONTAINER_CREDENTIALS_FULL_URI="
	tokenIs   = "AWS_CONTAINER_AUTHORIZATION_TOKEN="
	tokenFile = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func reply(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// answering is a client without a network that gets this response.
func answering(status int, body string) *http.Client {
	return &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return reply(status, body), nil })}
}

// from makes an environment of "NAME=value" lines.
func from(vars ...string) func(string) (string, bool) {
	m := map[string]string{}
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		m[name] = value
	}
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

// addresses is a resolver that knows one host.
func addresses(addrs ...string) func(context.Context, string) ([]netip.Addr, error) {
	return func(context.Context, string) (out []netip.Addr, err error) {
		for _, a := range addrs {
			out = append(out, netip.MustParseAddr(a))
		}
		return out, nil
	}
}

// server is an agent on a loopback port, and its port.
func server(t *testing.T, response http.HandlerFunc) (port string) {
	srv := httptest.NewServer(response)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	return u.Port()
}

func TestRetrieve(t *testing.T) {
	port := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.RequestURI() != "/v1/credentials?a=1" || r.Header.Get("Authorization") != token {
			t.Errorf("%s %s with %v", r.Method, r.URL, r.Header)
		}
		fmt.Fprint(w, document)
	})
	p := &container.Provider{LookupEnv: from(full+"http://127.0.0.1:"+port+"/v1/credentials?a=1", tokenIs+token)}
	got, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, stschain.Credentials{
		AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: stschain.NewSecret(secret), SessionToken: stschain.NewSecret(secret),
		Expires: time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC), AccountID: "123456789012", Origin: "container 127.0.0.1:" + port,
	}, got)
	require.Equal(t, "container", fmt.Sprint(p))
	canary.Check(t, secret, got, p)
	canary.Check(t, token, p)

	// With the resolver of the system.
	p.LookupEnv = from(full+"http://localhost:"+port+"/v1/credentials?a=1", tokenIs+token)
	_, err = p.Retrieve(t.Context())
	require.NoError(t, err)

	for _, p := range []*container.Provider{{LookupEnv: from()}, {LookupEnv: from(relative+" ", full+"\n", tokenIs+token)}} {
		_, err = p.Retrieve(t.Context())
		require.True(t, stschain.IsUnavailable(err), "%v", err)
		require.ErrorContains(t, err, "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set")
	}
}

// An invalid account does not make good keys unusable.
// Report: aws-c-auth (docs/defects.md, A6).
func TestAccountThatIsNone(t *testing.T) {
	for account, want := range map[string]string{`"1.evil"`: "", `"Account-210987"`: "", `null`: "", `"210987654321"`: "210987654321", `210987654321`: "210987654321"} {
		p := &container.Provider{LookupEnv: from(relative + "/x"), HTTPClient: answering(200, `{"AccessKeyId":"a","SecretAccessKey":"b","AccountId":`+account+`}`)}
		got, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got.AccountID, account)
	}
}

// An agent with a wrong response is not absent, and no chain goes on.
func TestWrongAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		status    int
		body      string
		want      string
		attempts  int
		permanent bool
	}{
		"refused":        {400, `{"code":"InvalidTokenException","message":"the token is for another pod"}`, "returned 400 Bad Request, InvalidTokenException: the token is for another pod", 1, true},
		"capitals":       {403, `{"Code":"AccessDeniedException","Message":"no"}`, "returned 403 Forbidden, AccessDeniedException: no", 1, true},
		"shows a token":  {403, `{"code":"X","message":"bad token ` + token + `"}`, "returned 403 Forbidden, a message that is not shown", 1, true},
		"shows a key":    {403, `{"code":"X","message":"` + secret + `","SecretAccessKey":"` + secret + `"}`, "returned 403 Forbidden, a message that is not shown", 1, true},
		"on many lines":  {403, `{"message":"a\n\u001b[31m\tb` + strings.Repeat("x", 2000) + `"}`, "returned 403 Forbidden, a [31m bxxx", 1, true},
		"404":            {404, "<html>" + token, "returned 404 Not Found", 1, true},
		"500":            {500, "", "returned 500 Internal Server Error", 3, false},
		"429":            {429, `{"code":"ThrottlingException"}`, "returned 429 Too Many Requests, ThrottlingException", 3, false},
		"refused in 200": {200, `{"code":"X","message":"no role"}`, "returned X: no role", 1, false},
		"HTML":           {200, "<html>" + token, "it is not a JSON object", 1, false},
		"empty":          {200, "", "it is empty", 1, false},
		"null":           {200, "null", "it is not a JSON object", 1, false},
		"half":           {200, document[:200], "it is not a JSON object", 1, false},
		"and more":       {200, document + "x", "it is not a JSON object", 1, false},
		"endless":        {200, document + strings.Repeat(" ", 100<<10), "exceeds 65536 bytes", 1, false},
		"no keys":        {200, "{}", "it has no AccessKeyId", 1, false},
		"a key twice":    {200, `{"AccessKeyId":"a","accessKeyID":"b"}`, "a member twice", 1, false},
		"a number":       {200, `{"AccessKeyId":1}`, "AccessKeyId is not a string", 1, false},
		"no UTF-8":       {200, "{\"AccessKeyId\":\"a\xff\"}", "it is not in UTF-8", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				client := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
					attempts++
					return reply(test.status, test.body), nil
				})}
				p := &container.Provider{LookupEnv: from(relative+"/v2/"+token, tokenIs+token), HTTPClient: client}
				_, err := stschain.NewChain(p, stschain.Static("AKIDOTHER", "other", "")).Retrieve(t.Context())
				require.ErrorContains(t, err, "container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI at 169.254.170.2: ")
				require.ErrorContains(t, err, test.want)
				require.Equal(t, test.permanent, errors.Is(err, stschain.ErrPermanent))
				require.Equal(t, test.status == 429, errors.Is(err, stschain.ErrThrottled))
				require.Equal(t, test.attempts, attempts)
				require.Less(t, len(err.Error()), 1000)
				canary.Check(t, token, err)
				canary.Check(t, secret, err)
			})
		})
	}
}

// The text of an agent that does not speak JSON is shown, on one line, cut, and without what is secret.
// Reports: eks-pod-identity-agent#139, n8n#25843.
func TestPlainText(t *testing.T) {
	const id = "8ed1f2c4-77aa-4711-9b02-canary0path4711" // in ECS the path is all that it takes
	for name, test := range map[string]struct {
		status     int
		kind, body string
		want       string // the end of the error
	}{
		"of EKS":                     {400, "text/plain; charset=utf-8", "Service account token failed basic claim validations: token has expired\n", ": returned 400 Bad Request, Service account token failed basic claim validations: token has expired"},
		"denied":                     {403, "text/plain", "Unauthorized Exception! EKS does not have the permissions\r\nto assume the associated role.", ", Unauthorized Exception! EKS does not have the permissions to assume the associated role."},
		"of no type":                 {404, "", "No association for this pod", "returned 404 Not Found, No association for this pod"},
		"while it starts":            {503, "text/plain", "starting", "returned 503 Service Unavailable, starting"},
		"long, with terminal codes":  {400, "text/plain", "\x1b[2J" + strings.Repeat("x", 2000), "[2J" + strings.Repeat("x", 509) + " ..."},
		"the token":                  {400, "text/plain", "invalid token " + token, "a message that is not shown, since it holds a secret"},
		"half of the token":          {400, "text/plain", "token is malformed: " + token[5:20], "a message that is not shown, since it holds a secret"},
		"the token on several lines": {400, "text/plain", token[:9] + "\n" + token[9:], "a message that is not shown, since it holds a secret"},
		"the token, percent-encoded": {403, "text/plain", "bad: " + strings.ReplaceAll(token, "-", "%2d"), "a message that is not shown, since it holds a secret"},
		"the token in base64":        {403, "text/plain", "bad: " + base64.StdEncoding.EncodeToString([]byte("x"+token)), "a message that is not shown, since it holds a secret"},
		"the token in JSON, escaped": {403, "application/json", `{"message":"` + strings.ReplaceAll(token, "a", `\\u0061`) + `"}`, "a message that is not shown, since it holds a secret"},
		"the path":                   {404, "text/plain", "no such path: /v2/credentials/" + id, "a message that is not shown, since it holds a secret"},
		"the path in JSON":           {404, "application/json", `{"message":"no such path: /v2/credentials/` + id + `"}`, "a message that is not shown, since it holds a secret"},
		"a page":                     {403, "text/html", "<p>no</p>", "returned 403 Forbidden"},
		"a page of no type":          {403, "", "\n<!doctype html>no", "returned 403 Forbidden"},
		"something else":             {403, "application/octet-stream", "no", "returned 403 Forbidden"},
		"nothing":                    {403, "text/plain", "", "returned 403 Forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			resp := func(*http.Request) (*http.Response, error) {
				r := reply(test.status, test.body)
				if test.kind != "" {
					r.Header.Set("Content-Type", test.kind)
				}
				return r, nil
			}
			p := &container.Provider{LookupEnv: from(relative+"/v2/credentials/"+id, tokenIs+token), MaxAttempts: 1, HTTPClient: &http.Client{Transport: roundTripper(resp)}}
			_, err := p.Retrieve(t.Context())
			require.True(t, strings.HasSuffix(fmt.Sprint(err), test.want), "%v", err)
			require.Less(t, len(err.Error()), 700)
			canary.Check(t, token, err)
			canary.Check(t, id, err)
		})
	}
}

// An agent that starts late, or throttles, is waited for, and not for long.
func TestTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }
		refuse := func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }
		cut := func(*http.Request) (*http.Response, error) {
			resp := reply(200, "")
			resp.Body = io.NopCloser(io.MultiReader(bytes.NewBufferString("{"), broken{}))
			return resp, nil
		}
		say := func(status int) roundTripper {
			return func(*http.Request) (*http.Response, error) { return reply(status, document), nil }
		}
		run := func(responses ...roundTripper) (time.Duration, error) {
			p := &container.Provider{LookupEnv: from(relative + "/x"), HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				next := responses[0]
				if len(responses) > 1 {
					responses = responses[1:]
				}
				return next(r)
			})}}
			began := time.Now()
			_, err := p.Retrieve(t.Context())
			return time.Since(began), err
		}
		for _, first := range []roundTripper{hang, refuse, cut, say(429), say(500), say(503)} {
			_, err := run(first, first, say(200))
			require.NoError(t, err)
		}
		took, err := run(hang)
		require.ErrorContains(t, err, "no response: waited 2s")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.False(t, stschain.IsUnavailable(err), "%v", err)
		require.LessOrEqual(t, took, 7500*time.Millisecond)
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := errors.New("the user closed the tab")
		for _, response := range []roundTripper{
			func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
			func(*http.Request) (*http.Response, error) { return reply(503, ""), nil },
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(100*time.Millisecond, func() { cancel(left) })
			p := &container.Provider{LookupEnv: from(relative + "/x"), HTTPClient: &http.Client{Transport: response}}
			_, err := p.Retrieve(ctx)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, left)
		}
	})
}

// Whatever the agent returns, it can be used, or is an error that shows none of it.
func FuzzAnswer(f *testing.F) {
	f.Add(200, document)
	f.Add(403, `{"code":"X","message":"`+token+`"}`)
	f.Add(200, `{"AccessKeyId":"a b","SecretAccessKey":"","Token":null}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		p := &container.Provider{LookupEnv: from(relative+"/x", tokenIs+token), HTTPClient: answering(100+(status&0x1ff), body), MaxAttempts: 1}
		creds, err := p.Retrieve(t.Context())
		if err != nil {
			if strings.Contains(err.Error(), token) {
				t.Fatalf("%q shows the token", err)
			}
			return
		}
		if creds.AccessKeyID == "" || creds.SecretAccessKey.IsZero() {
			t.Fatalf("incomplete: %v", creds)
		}
		for _, s := range []string{creds.AccessKeyID, creds.SessionToken.Reveal(), creds.AccountID} {
			if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Fatalf("%q cannot be sent", s)
			}
		}
	})
}

func ExampleProvider() {
	p := &container.Provider{
		// Leave these out to read the real environment and to call the real agent.
		LookupEnv:  from("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/8ed1"),
		HTTPClient: answering(200, document),
	}
	creds, err := p.Retrieve(context.Background())
	fmt.Println(creds.AccessKeyID, creds.SecretAccessKey, creds.Origin, err)
	// Output: ASIAEXAMPLE [redacted] container 169.254.170.2 <nil>
}
