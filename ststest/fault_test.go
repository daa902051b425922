package ststest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

// outcome is what a client sees of a call, as far as it must be the same in
// process and over a socket.
type outcome struct {
	status   int
	header   string // content type and location
	length   int64
	body     string
	sendErr  error // of the round trip, one of EOF and nil
	bodyErr  error
	recorded int // status
	code     string
}

// TestFaults meets every fault twice: in process and over a socket.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		fault ststest.Fault
		check func(*testing.T, outcome)
	}{
		{ststest.Fault{}, func(t *testing.T, o outcome) {
			require.Equal(t, 200, o.status)
			require.Contains(t, o.body, "<AccessKeyId>ASIA")
		}},
		{ststest.Throttle().With("X-Amz-Retry-After", "1500"), func(t *testing.T, o outcome) {
			require.Equal(t, 400, o.status)
			require.Contains(t, o.body, "<Code>Throttling</Code>")
			require.Contains(t, o.body, "<Type>Sender</Type>")
			require.Contains(t, o.header, "1500")
			require.Equal(t, "Throttling", o.code)
		}},
		{ststest.Refuse(503, "ServiceUnavailable", "a < b"), func(t *testing.T, o outcome) {
			require.Equal(t, 503, o.status)
			require.Contains(t, o.body, "<Type>Receiver</Type>")
			require.Contains(t, o.body, "<Message>a &lt; b</Message>")
		}},
		{ststest.Disconnect(), func(t *testing.T, o outcome) {
			require.Equal(t, io.EOF, o.sendErr)
			require.Zero(t, o.recorded)
		}},
		{ststest.Truncate(), func(t *testing.T, o outcome) {
			require.Equal(t, 200, o.status)
			require.Equal(t, io.ErrUnexpectedEOF, o.bodyErr)
			require.Equal(t, o.length/2, int64(len(o.body)))
		}},
		{ststest.Slow(time.Microsecond), func(t *testing.T, o outcome) {
			require.Equal(t, 200, o.status)
			require.True(t, strings.HasSuffix(o.body, "</AssumeRoleResponse>\n"))
		}},
		{ststest.ExpiredOnArrival(), func(t *testing.T, o outcome) { require.Contains(t, o.body, "<Expiration>2026-11-21T11:59:59Z<") }},
		{ststest.Skew(time.Minute), func(t *testing.T, o outcome) {
			require.Contains(t, o.body, "<Expiration>2026-11-21T13:01:00Z<")
			require.Contains(t, o.header, "12:01:00 GMT")
		}},
		{ststest.NoCredentials(), func(t *testing.T, o outcome) {
			require.Equal(t, 200, o.status)
			require.NotContains(t, o.body, "Credentials")
			require.Contains(t, o.body, "<AssumedRoleUser>")
		}},
		{ststest.EmptyCredentials(), func(t *testing.T, o outcome) { require.Contains(t, o.body, "<AccessKeyId></AccessKeyId>") }},
		{ststest.WrongRoot(), func(t *testing.T, o outcome) {
			require.Equal(t, 200, o.status)
			require.Contains(t, o.body, "<ListAllMyBucketsResult")
		}},
		{ststest.Malformed(), func(t *testing.T, o outcome) {
			require.Equal(t, 200, o.status)
			require.True(t, strings.HasSuffix(o.body, "<Cred"))
			require.NoError(t, o.bodyErr)
		}},
		{ststest.EmptyBody(), func(t *testing.T, o outcome) {
			require.Equal(t, 200, o.status)
			require.Empty(t, o.body)
		}},
		{ststest.HTML(502), func(t *testing.T, o outcome) {
			require.Equal(t, 502, o.status)
			require.Contains(t, o.header, "text/html")
			require.Contains(t, o.body, "502 Bad Gateway")
		}},
		{ststest.S3Error(), func(t *testing.T, o outcome) {
			require.Equal(t, 403, o.status)
			require.Contains(t, o.body, "<Error>\n  <Code>AccessDenied</Code>\n  <Message></Message>")
		}},
		{ststest.Redirect("https://elsewhere.example/"), func(t *testing.T, o outcome) {
			require.Equal(t, 307, o.status)
			require.Contains(t, o.header, "https://elsewhere.example/")
		}},
		{ststest.Huge(), func(t *testing.T, o outcome) {
			require.Equal(t, 200, o.status)
			require.Greater(t, len(o.body), 20<<20)
		}},
		{ststest.DeepXML(), func(t *testing.T, o outcome) { require.Equal(t, 100_000, strings.Count(o.body, "<a>")) }},
		{ststest.DTD(), func(t *testing.T, o outcome) {
			require.True(t, strings.HasPrefix(o.body, "<!DOCTYPE"))
			require.Contains(t, o.body, "&e9;")
		}},
		{ststest.Respond(418, http.Header{"Content-Type": {"text/plain"}, "Date": {"long ago"}, "Content-Length": {"9"}}, "tea"), func(t *testing.T, o outcome) {
			require.Equal(t, 418, o.status)
			require.Equal(t, "tea", o.body)
			require.Contains(t, o.header, "long ago")
		}},
		{ststest.Respond(500, nil, ""), func(t *testing.T, o outcome) { require.Equal(t, 500, o.status) }},
	} {
		t.Run(test.fault.String(), func(t *testing.T) {
			srv, _ := fixed(t)
			meet := func(transport http.RoundTripper, endpoint string) outcome {
				t.Helper()
				srv.FailNext(test.fault)
				return send(t, srv, transport, endpoint)
			}
			inProcess := meet(srv.Client().Transport, "http://127.0.0.1:1/")
			test.check(t, inProcess)
			socket := &http.Transport{}
			defer socket.CloseIdleConnections()
			overSocket := meet(socket, srv.URL())
			test.check(t, overSocket)
			require.Equal(t, inProcess.length, overSocket.length)
			require.Equal(t, 200, whoAmI(t, srv, srv.User().Credentials).status, "the next call succeeds")
		})
	}
}

func send(t *testing.T, srv *ststest.Server, transport http.RoundTripper, endpoint string) (o outcome) {
	t.Helper()
	v := form("AssumeRole", "RoleArn", roleARN, "RoleSessionName", "nightly")
	res, err := transport.RoundTrip(signed(t.Context(), endpoint, v.Encode(), srv.User().Credentials, start))
	if errors.Is(err, io.EOF) {
		o.sendErr = io.EOF
	} else {
		require.NoError(t, err)
		defer res.Body.Close()
		var body []byte
		body, o.bodyErr = io.ReadAll(res.Body)
		o.status, o.body, o.length = res.StatusCode, string(body), res.ContentLength
		h := res.Header
		o.header = strings.Join([]string{h.Get("Content-Type"), h.Get("Location"), h.Get("X-Amz-Retry-After"), h.Get("Date")}, " ")
	}
	calls := srv.Calls()
	last := calls[len(calls)-1]
	o.recorded, o.code = last.Status, last.Code
	return o
}

// TestWaitingFaultsEnd lets every kind of wait end in every way, without sleeping.
func TestWaitingFaultsEnd(t *testing.T) {
	t.Run("Hang ends with the context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := ststest.NewTest(t)
			srv.FailNext(ststest.Hang())
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := srv.Client().Do(signed(ctx, host, whoAmIBody, srv.User().Credentials, began))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Minute, time.Since(began))
		})
	})
	t.Run("Hang ends with the client's timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := ststest.NewTest(t)
			srv.FailAll(ststest.Hang())
			client := srv.Client()
			client.Timeout = time.Minute
			_, err := client.Do(signed(t.Context(), host, whoAmIBody, srv.User().Credentials, time.Now()))
			var timeout interface{ Timeout() bool }
			require.ErrorAs(t, err, &timeout)
			require.True(t, timeout.Timeout())
		})
	})
	t.Run("Hang ends with Close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := ststest.NewTest(t)
			srv.FailNext(ststest.Hang())
			failed := make(chan error)
			go func() {
				_, err := srv.Client().Do(signed(t.Context(), host, whoAmIBody, srv.User().Credentials, time.Now()))
				failed <- err
			}()
			synctest.Wait()
			calls := srv.Calls()
			require.Len(t, calls, 1, "a call that hangs is recorded")
			require.Equal(t, "Hang", calls[0].Fault)
			srv.Close()
			require.ErrorIs(t, <-failed, io.EOF)
		})
	})
	t.Run("Slow takes its time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := ststest.NewTest(t)
			srv.FailNext(ststest.Slow(time.Second))
			began := time.Now()
			res, err := srv.Client().Do(signed(t.Context(), host, whoAmIBody, srv.User().Credentials, began))
			require.NoError(t, err)
			require.Zero(t, time.Since(began), "the header comes at once")
			got := read(t, res, nil)
			require.Equal(t, 200, got.status)
			require.Equal(t, time.Duration(len(got.body))*time.Second, time.Since(began))
		})
	})
	t.Run("Slow ends with the context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := ststest.NewTest(t)
			srv.FailNext(ststest.Slow(time.Second))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			res, err := srv.Client().Do(signed(ctx, host, whoAmIBody, srv.User().Credentials, time.Now()))
			require.NoError(t, err)
			defer res.Body.Close()
			_, err = io.ReadAll(res.Body)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	})
	t.Run("Slow ends with the reader", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := ststest.NewTest(t)
			srv.FailNext(ststest.Slow(time.Hour))
			res, err := srv.Client().Do(signed(t.Context(), host, whoAmIBody, srv.User().Credentials, time.Now()))
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			synctest.Wait() // and no goroutine is left when the bubble ends
		})
	})
}

func TestHangOverASocket(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.FailAll(ststest.Hang())
	arrived := make(chan struct{}, 2)
	srv.OnCall = func(ststest.Call) { arrived <- struct{}{} }
	call := func(ctx context.Context) <-chan error {
		failed := make(chan error, 1)
		go func() {
			transport := &http.Transport{}
			_, err := transport.RoundTrip(signed(ctx, srv.URL(), whoAmIBody, srv.User().Credentials, time.Now()))
			failed <- err
		}()
		return failed
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := call(ctx)
	<-arrived
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)

	failed = call(t.Context())
	<-arrived
	srv.Close()
	require.Error(t, <-failed)
}

func TestScript(t *testing.T) {
	srv, _ := fixed(t)
	user := srv.User().Credentials
	who := func() string { return whoAmI(t, srv, user).code() }
	role := func() string { return assume(t, srv, user).code() }

	srv.FailNext(ststest.Throttle(), ststest.Fault{}, ststest.S3Error())
	require.Equal(t, "Throttling", who())
	require.Equal(t, "", who())
	require.Equal(t, "Error", whoAmI(t, srv, user).XMLName.Local)
	require.Equal(t, "", who())

	srv.FailAll(ststest.Throttle().On("AssumeRole"), ststest.Refuse(500, "InternalFailure", "").On("GetSessionToken"))
	srv.FailNext(ststest.Refuse(403, "AccessDenied", "").On("AssumeRole"))
	require.Equal(t, "", who())
	require.Equal(t, "AccessDenied", role())
	require.Equal(t, "Throttling", role())
	require.Equal(t, "Throttling", role())
	require.Equal(t, "InternalFailure", call(t, srv, user, form("GetSessionToken")).code())
	srv.FailNext(ststest.Fault{})
	require.Equal(t, "", role(), "one call gets through")
	srv.Heal()
	require.Equal(t, "", role())
}

// TestFaultsDoNotHideABadSignature: what stands before STS may fail, and still
// the test reports that the request was wrong.
func TestFaultsDoNotHideABadSignature(t *testing.T) {
	fake := &fakeT{}
	srv := ststest.NewTest(fake)
	srv.FailAll(ststest.HTML(503))
	req := signed(t.Context(), host, whoAmIBody, ststest.New().User().Credentials, time.Now())
	res, err := srv.Client().Do(req)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, 503, res.StatusCode)
	require.Contains(t, fake.reports(), "InvalidClientTokenId")
}

func TestSkewedServerRefusesAndTellsItsTime(t *testing.T) {
	srv, _ := fixed(t)
	srv.FailAll(ststest.Skew(20 * time.Minute))
	got := whoAmI(t, srv, srv.User().Credentials)
	require.Equal(t, "SignatureDoesNotMatch", got.code())
	require.Contains(t, got.Error.Message, "Signature expired")
	require.Equal(t, "Sat, 21 Nov 2026 12:20:00 GMT", got.header.Get("Date"))
	res, err := srv.Client().Do(signed(t.Context(), host, whoAmIBody, srv.User().Credentials, start.Add(20*time.Minute)))
	require.Equal(t, 200, read(t, res, err).status)
}
