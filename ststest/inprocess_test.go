package ststest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

// trackedBody counts how often it is closed.
type trackedBody struct {
	io.Reader
	closed int
}

func (b *trackedBody) Close() error { b.closed++; return nil }

// TestInProcessIsLikeASocket compares it with net/http, response by response.
func TestInProcessIsLikeASocket(t *testing.T) {
	for name, test := range map[string]struct {
		method, body string
		handler      http.HandlerFunc
	}{
		"nothing": {"GET", "", func(http.ResponseWriter, *http.Request) {}},
		"short":   {"GET", "", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }},
		"long":    {"GET", "", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 5000)) }},
		"flushed": {"GET", "", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			io.WriteString(w, "b")
		}},
		"status":        {"GET", "", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 404) }},
		"second status": {"GET", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); io.WriteString(w, "x") }},
		"no content":    {"GET", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
		"too short": {"GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			io.WriteString(w, "short")
		}},
		"too long": {"GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			io.WriteString(w, "ab")
			io.WriteString(w, "c")
		}},
		"head": {"HEAD", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/x")
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "hello")
		}},
		"late header": {"GET", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); w.Header().Set("X-Late", "1") }},
		"abort":       {"GET", "", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		"abort in between": {"GET", "", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}},
		"request": {"POST", "body", func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			for _, s := range []string{r.Method, r.RequestURI, r.Proto, r.Header.Get("X-Many"), strings.Join(r.Header["X-Many"], "|"), r.Header.Get("Content-Length"), string(body)} {
				io.WriteString(w, s+"\n")
			}
			if err != nil || r.ContentLength != 4 || r.URL.Host != "" || r.Host == "" {
				w.WriteHeader(500)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			type seen struct {
				status, bodyErr, body, late, contentType string
				length                                   int64
				sendErr                                  bool
			}
			look := func(transport http.RoundTripper, url string) (s seen) {
				req, err := http.NewRequest(test.method, url+"/a%20b/../c?q=%41", strings.NewReader(test.body))
				require.NoError(t, err)
				req.Header["X-Many"] = []string{"1", " 2 "}
				res, err := transport.RoundTrip(req)
				if err != nil {
					require.ErrorIs(t, err, io.EOF)
					return seen{sendErr: true}
				}
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				s = seen{status: res.Status, body: string(body), length: res.ContentLength, late: res.Header.Get("X-Late"), contentType: res.Header.Get("Content-Type")}
				if err != nil {
					s.bodyErr = err.Error()
				}
				require.NotEmpty(t, res.Header.Get("Date"))
				require.Same(t, req, res.Request)
				return s
			}
			server := httptest.NewServer(test.handler)
			defer server.Close()
			transport := &http.Transport{DisableKeepAlives: true}
			require.Equal(t, look(transport, server.URL), look(ststest.InProcess(test.handler), "http://any.example"))
		})
	}
}

func TestInProcessClosesTheBody(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	ignore := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for name, test := range map[string]struct {
		ctx    context.Context
		length int64
	}{
		"read":           {t.Context(), 4},
		"cancelled":      {cancelled, 4},
		"length is less": {t.Context(), 5},
	} {
		t.Run(name, func(t *testing.T) {
			body := &trackedBody{Reader: strings.NewReader("body")}
			req, err := http.NewRequestWithContext(test.ctx, http.MethodPost, host, body)
			require.NoError(t, err)
			req.ContentLength = test.length
			res, err := ststest.InProcess(ignore).RoundTrip(req)
			if err == nil {
				res.Body.Close()
			}
			require.Equal(t, name == "read", err == nil, "%v", err)
			require.Equal(t, 1, body.closed)
		})
	}
}

func TestInProcessHandlerThatBreaks(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		message string
	}{
		"panic":  {func(http.ResponseWriter, *http.Request) { panic("oh") }, "the handler panicked: oh"},
		"Goexit": {func(http.ResponseWriter, *http.Request) { runtime.Goexit() }, "runtime.Goexit"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&http.Client{Transport: ststest.InProcess(test.handler)}).Get(host)
			require.ErrorContains(t, err, test.message)
		})
	}
}

func TestInProcessContext(t *testing.T) {
	t.Run("a request body that never comes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pr, pw := io.Pipe()
			defer pw.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, host, pr)
			require.NoError(t, err)
			_, err = ststest.InProcess(http.NotFoundHandler()).RoundTrip(req)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	})
	t.Run("the cause is reported", func(t *testing.T) {
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(t.Context())
		handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			cancel(why)
			<-r.Context().Done()
		})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, host, nil)
		require.NoError(t, err)
		_, err = ststest.InProcess(handler).RoundTrip(req)
		require.ErrorIs(t, err, why)
	})
	t.Run("the handler's ends when the caller closes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			})
			res, err := (&http.Client{Transport: ststest.InProcess(handler)}).Get(host)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
		})
	})
}

func TestInProcessRefusesAnEndlessBody(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("x"), zeros{})
	req, err := http.NewRequest(http.MethodPost, host, endless)
	require.NoError(t, err)
	_, err = ststest.InProcess(http.NotFoundHandler()).RoundTrip(req)
	require.ErrorContains(t, err, "longer than")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
