package stsquery_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/stsquery"
)

// Canaries with characters that a form has to escape.
const (
	secretKey    = "wJalrXUtnFEMI/hunter4711+KEY"
	sessionToken = "IQoJb3JpZ2luX2VjE/canary+TOKEN=="
	mfaCode      = "471108"
	assertion    = "eyJhbGciOi.hunter4711/ASSERTION"
)

const assumeRoleResponse = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY</SecretAccessKey><SessionToken>AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==</SessionToken><Expiration>2099-11-21T17:56:58.981264Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROA3X42LBCDEDRZO83XF:session</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/backup/session</Arn></AssumedRoleUser><PackedPolicySize>6</PackedPolicySize></AssumeRoleResult><ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata></AssumeRoleResponse>`

// roleInput is a valid input with every secret in it but an MFA code, which
// would forbid retries.
var roleInput = stsquery.AssumeRoleInput{
	RoleARN:          "arn:aws:iam::123456789012:role/backup",
	RoleSessionName:  "session",
	ProvidedContexts: []stsquery.ProvidedContext{{ProviderARN: "arn:aws:iam::aws:contextProvider/IdentityCenter", Assertion: stschain.NewSecret(assertion)}},
}

// serve starts a loopback server that counts requests and sends each the same response.
func serve(t *testing.T, h http.HandlerFunc) (*stsquery.Client, *atomic.Int32) {
	t.Helper()
	var count atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count.Add(1)
		h(w, r)
	}))
	t.Cleanup(srv.Close)
	return &stsquery.Client{
		Credentials: stschain.Static("AKIDEXAMPLE", secretKey, sessionToken),
		Region:      "us-east-1",
		Endpoint:    srv.URL,
	}, &count
}

// echo is everything in a request that an error must not show.
func echo(r *http.Request) string {
	form, _ := io.ReadAll(r.Body)
	values, _ := url.ParseQuery(string(form))
	_, signature, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	var b strings.Builder
	fmt.Fprintln(&b, r.Header.Get("Authorization"), signature, r.Header.Get("X-Amz-Security-Token"), secretKey)
	fmt.Fprintln(&b, url.QueryEscape(sessionToken), string(form), strings.ToLower(string(form)), values)
	return strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(b.String())
}

func noSecret(t *testing.T, err error, more ...string) {
	t.Helper()
	for _, secret := range append(more, secretKey, sessionToken, assertion) {
		canary.Check(t, secret, err)
	}
}

func respond(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, strings.ReplaceAll(body, "ECHO", echo(r)))
	}
}

func stsError(code, message string) string {
	return `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>` + code +
		`</Code><Message>` + message + `</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`
}

// Every response that is not a result is a typed error, in bounded time and memory, without a secret, not
// even one that the server echoes.
// Report: aws-sdk-go-v2#3542.
func TestResponses(t *testing.T) {
	const xml = "text/xml"
	result := func(inner string) string {
		return "<AssumeRoleResponse><AssumeRoleResult>" + inner + "</AssumeRoleResult></AssumeRoleResponse>"
	}
	good := assumeRoleResponse
	for name, test := range map[string]struct {
		respond   http.HandlerFunc
		status    int
		code      string
		permanent bool
		attempts  int // of 2; 0: 1
		text      string
	}{
		"400":                     {respond: respond(400, xml, stsError("ValidationError", "bad ECHO")), status: 400, code: "ValidationError", text: redact.Withheld},
		"403":                     {respond: respond(403, xml, stsError("AccessDenied", "User: x is not authorized ECHO")), status: 403, code: "AccessDenied", permanent: true, text: "trust policy"},
		"403 with the suffix":     {respond: respond(403, xml, stsError("AccessDeniedException", "")), status: 403, code: "AccessDeniedException", permanent: true},
		"429":                     {respond: respond(429, "application/json", `{"ECHO":1}`), status: 429, attempts: 2, text: `of application/json`},
		"500":                     {respond: respond(500, xml, stsError("InternalFailure", "ECHO")), status: 500, code: "InternalFailure", attempts: 2},
		"503":                     {respond: respond(503, xml, stsError("ServiceUnavailable", "ECHO")), status: 503, code: "ServiceUnavailable", attempts: 2},
		"throttling as 400":       {respond: respond(400, xml, stsError("Throttling", "Rate exceeded")), status: 400, code: "Throttling", attempts: 2, text: "share one"},
		"HTML 200":                {respond: respond(200, "text/html", "<html><body>Log in ECHO</body></html>"), status: 200, text: `root element of the response is html`},
		"HTML 404":                {respond: respond(404, "text/html; charset=utf-8", "<!DOCTYPE html><p>ECHO"), status: 404, text: `of text/html`},
		"HTML 502":                {respond: respond(502, "text/html", "<html>Bad gateway ECHO</html>"), status: 502, attempts: 2, text: `of text/html`},
		"plain text":              {respond: respond(200, "text/plain", "hello ECHO"), status: 200, text: "not XML"},
		"empty 200":               {respond: respond(200, xml, ""), status: 200, text: "empty"},
		"204":                     {respond: respond(204, xml, ""), status: 204, text: "empty"},
		"empty 403":               {respond: respond(403, xml, ""), status: 403, text: "unexpected response, not an STS error document"},
		"wrong root":              {respond: respond(200, xml, "<ListAllMyBucketsResult><Owner>ECHO</Owner></ListAllMyBucketsResult>"), status: 200, text: `root element of the response is ListAllMyBucketsResult`},
		"another operation":       {respond: respond(200, xml, "<GetSessionTokenResponse/>"), status: 200, text: "GetSessionTokenResponse"},
		"two roots":               {respond: respond(200, xml, good+good), status: 200, text: "more than one root element"},
		"text after the root":     {respond: respond(200, xml, good+"ECHO"), status: 200, text: "not XML"},
		"200 without keys":        {respond: respond(200, xml, result("<Credentials/>")), status: 200, text: "no AccessKeyId"},
		"200 without credentials": {respond: respond(200, xml, result("")), status: 200, text: "no AccessKeyId"},
		"200 without the secret":  {respond: respond(200, xml, strings.Replace(good, "SecretAccessKey>", "Foo>", 2)), status: 200, text: "no SecretAccessKey"},
		"200 without a token":     {respond: respond(200, xml, strings.Replace(good, "SessionToken>", "Foo>", 2)), status: 200, text: "no SessionToken"},
		"200 without expiration":  {respond: respond(200, xml, strings.Replace(good, "Expiration>", "Foo>", 2)), status: 200, text: "Expiration"},
		"invalid expiration":      {respond: respond(200, xml, strings.Replace(good, "2099-11-21T", "ECHO", 1)), status: 200, text: "Expiration"},
		"key with a line break":   {respond: respond(200, xml, strings.Replace(good, "ASIAIOSFODNN7", "ASIA\r\nX-Evil: ", 1)), status: 200, text: "AccessKeyId of the response has characters"},
		"200 with an error":       {respond: respond(200, xml, stsError("AccessDenied", "ECHO")), status: 200, code: "AccessDenied", permanent: true},
		"S3's error":              {respond: respond(403, xml, "<Error><Code>InvalidAccessKeyId</Code><Message></Message><RequestId>req-2</RequestId><AWSAccessKeyId>ECHO</AWSAccessKeyId></Error>"), status: 403, code: "InvalidAccessKeyId", text: "req-2"},
		"errors in a list":        {respond: respond(403, "text/html", "<ErrorResponse><Errors><Error><Code>SignatureDoesNotMatch</Code><Message>ECHO</Message></Error></Errors></ErrorResponse>"), status: 403, code: "SignatureDoesNotMatch", text: "clock"},
		"response with errors":    {respond: respond(403, xml, "<Response><Errors><Error><Code>AuthFailure</Code><Message>ECHO</Message></Error></Errors><RequestID>req-3</RequestID></Response>"), status: 403, code: "AuthFailure", text: "req-3"},
		"secrets everywhere":      {respond: respond(400, xml, "<ErrorResponse><Error><Type>ECHO</Type><Code>ECHO</Code><Message>ECHO</Message></Error><RequestId>ECHO</RequestId></ErrorResponse>"), status: 400, text: redact.Withheld},
		"secret with NULs":        {respond: respond(400, xml, stsError("X", "it was "+strings.Join(strings.Split(secretKey, ""), "\u200b"))), status: 400, code: "X", text: redact.Withheld},
		"code without message":    {respond: respond(400, xml, "<ErrorResponse><Error><Code>X</Code></Error></ErrorResponse>"), status: 400, code: "X"},
		"error without code":      {respond: respond(400, xml, "<ErrorResponse><Error><Message>ECHO</Message></Error></ErrorResponse>"), status: 400, text: "unexpected response, not an STS error document"},
		"DTD":                     {respond: respond(200, xml, `<!DOCTYPE a [<!ENTITY x "y">]>`+good), status: 200, text: "DTD"},
		"entity bomb":             {respond: respond(200, xml, `<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>`), status: 200, text: "DTD"},
		"DTD inside":              {respond: respond(200, xml, `<a><!ENTITY x "y"></a>`), status: 200, text: "DTD"},
		"unknown entity":          {respond: respond(200, xml, result("<Credentials><SessionToken>"+secretKey+"&hunter;</SessionToken></Credentials>")), status: 200, text: "malformed XML at line 1"},
		"DTD in an error":         {respond: respond(403, xml, `<!DOCTYPE a SYSTEM "file:///etc/passwd"><ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>`), status: 403, text: "unexpected response, not an STS error document"},
		"DTD inside of an error":  {respond: respond(403, xml, "<ErrorResponse><Error><!DOCTYPE x></Error></ErrorResponse>"), status: 403, text: "unexpected response"},
		"very deep":               {respond: respond(200, xml, strings.Repeat("<a>", 100_000)), status: 200, text: "levels"},
		"deep":                    {respond: respond(200, xml, strings.Repeat("<a>", 17)+strings.Repeat("</a>", 17)), status: 200, text: "levels"},
		"wide":                    {respond: respond(200, xml, "<a>"+strings.Repeat("<b/>", 100_000)+"</a>"), status: 200, text: "elements"},
		"crossed tags":            {respond: respond(200, xml, "<AssumeRoleResponse><a></AssumeRoleResponse></a>"), status: 200, text: "malformed XML"},
		"cut XML":                 {respond: respond(200, xml, good[:len(good)/2]), status: 200, text: "truncated XML"},
		"another character set":   {respond: respond(200, xml, `<?xml version="1.0" encoding="UTF-16"?>`+good), status: 200, text: "XML"},
		"20 MiB": {respond: func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "<AssumeRoleResponse>")
			for range 20 << 4 {
				if _, err := io.WriteString(w, strings.Repeat(" ", 1<<16)); err != nil {
					return
				}
			}
		}, status: 200, text: "response body exceeds 1048576 bytes"},
		"cut body": {respond: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(good)))
			io.WriteString(w, good[:len(good)/2])
		}, status: 200, attempts: 2, text: "unexpected EOF"},
		"reset connection": {respond: func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}, attempts: 2},
		"redirect": {respond: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://login.example.com/?token="+url.QueryEscape(sessionToken), http.StatusTemporaryRedirect)
		}, status: 307, text: `redirects to https://login.example.com, and`},
		"secrets in headers": {respond: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", secretKey)
			w.Header().Set("X-Amzn-Requestid", sessionToken)
			io.WriteString(w, "<"+strings.SplitAfter(assertion, "/")[0])
		}, status: 200, text: redact.Withheld},
		"secret as root": {respond: func(w http.ResponseWriter, r *http.Request) {
			_, signature, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			w.Header().Set("X-Amzn-Requestid", "x")
			io.WriteString(w, "<S"+signature+"/>") // one more than what is shown
		}, status: 200, text: `root element of the response is (a name of 65 bytes) instead`},
		"redirect to itself": {respond: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/")
			w.WriteHeader(301)
		}, status: 301, text: "a path of the same host"},
		"not modified": {respond: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(304) }, status: 304, text: "redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clients := []*http.Client{nil}
			if strings.HasPrefix(name, "redirect") {
				clients = append(clients, &http.Client{}) // which follows them by default
			}
			for _, given := range clients {
				c, count := serve(t, test.respond)
				c.Retry.MaxAttempts = 2
				c.HTTPClient = given
				out, err := c.AssumeRole(t.Context(), roleInput)
				require.Nil(t, out)
				var e *stsquery.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, test.status, e.StatusCode, "%v", err)
				if test.code != "" {
					require.Equal(t, test.code, e.Code)
				}
				require.Equal(t, max(test.attempts, 1), e.Attempts)
				require.EqualValues(t, e.Attempts, count.Load())
				require.Equal(t, test.permanent, errors.Is(err, stschain.ErrPermanent))
				require.ErrorContains(t, err, test.text)
				require.ErrorContains(t, err, "stsquery: AssumeRole at 127.0.0.1:")
				require.Less(t, len(err.Error()), 3000)
				noSecret(t, err)
			}
		})
	}
}

// A slow trickle ends with the attempt's bound although bytes keep coming.
func TestTrickle(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	c, count := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-time.After(time.Millisecond):
			case <-r.Context().Done():
				return
			case <-stop:
				return
			}
		}
	})
	c.AttemptTimeout = 500 * time.Millisecond // connecting is part of it
	c.Retry.MaxAttempts = 2
	_, err := c.AssumeRole(t.Context(), roleInput)
	require.ErrorContains(t, err, "no response within 500ms")
	require.EqualValues(t, 2, count.Load(), "a timeout is retried")
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
	noSecret(t, err)
}

func TestRefusedConnection(t *testing.T) {
	const closed = "127.0.0.1:1" // a port of a listener that was closed is soon that of another test
	c := &stsquery.Client{
		Credentials: stschain.Static("AKIDEXAMPLE", secretKey, sessionToken),
		Region:      "us-east-1",
		Endpoint:    "http://" + closed + "/p?password=hunter4711-in-query",
	}
	_, err := c.AssumeRole(t.Context(), roleInput)
	var e *stsquery.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, 3, e.Attempts)
	require.Equal(t, closed, e.Endpoint)
	var op *net.OpError
	require.ErrorAs(t, err, &op, "net errors stay reachable")
	var u *url.Error
	require.False(t, errors.As(err, &u), "an *url.Error shows the whole URL")
	noSecret(t, err, "hunter4711-in-query")
}

// An untrusted certificate is not retried.
func TestUntrustedCertificate(t *testing.T) {
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.StartTLS()
	defer srv.Close()
	c := &stsquery.Client{Credentials: stschain.Static("AKIDEXAMPLE", secretKey, ""), Region: "us-east-1", Endpoint: srv.URL}
	_, err := c.AssumeRole(t.Context(), roleInput)
	require.ErrorContains(t, err, "certificate")
	require.EqualValues(t, 1, conns.Load())
}

// Memory is bounded for every response.
func TestMemory(t *testing.T) {
	for name, body := range map[string]string{
		"wide":            "<a>" + strings.Repeat("<b/>", 250_000) + "</a>",
		"long":            "<a>" + strings.Repeat("x", 1<<20-10) + "</a>",
		"many attributes": "<a " + strings.Repeat(`b="" `, 200_000) + "/>",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := stsquery.Decode([]byte(body), "AssumeRole", new(stsquery.AssumeRoleOutput))
			runtime.ReadMemStats(&after)
			require.Error(t, err)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
		})
	}
}
