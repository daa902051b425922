package sigv4_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

const s3Error = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<Error><Code>%s</Code><Message>no</Message></Error>`

// rejects responds to every request signed by one of ids with status and body.
func rejects(status int, header, body string, ids ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, id := range ids {
			if strings.Contains(r.Header.Get("Authorization"), "Credential="+id+"/") {
				if header != "" {
					w.Header().Set("X-Amzn-ErrorType", header)
				}
				w.WriteHeader(status)
				io.WriteString(w, body)
			}
		}
	}
}

// rotating gives out the credentials of the service one after the other. It is a
// cache that has the first already, and may retrieve the second: attempts are at
// least a second apart.
func (s *service) rotating() *stschain.Cache {
	next := 0
	return cached(s.t, func() (stschain.Credentials, error) {
		c := s.known[min(next, len(s.known)-1)]
		next++
		return c, nil
	})
}

func cached(t testing.TB, source func() (stschain.Credentials, error)) *stschain.Cache {
	mock := clock.NewMock()
	mock.Set(now.Add(-time.Minute))
	c := &stschain.Cache{Clock: mock, Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return source() })}
	_, err := c.Retrieve(t.Context())
	require.NoError(t, err)
	mock.Set(now)
	return c
}

func (s *service) ids() string {
	var ids []string
	for _, a := range s.arrivals() {
		if a.err != nil {
			s.t.Errorf("arrived: %v", a.err)
		}
		ids = append(ids, a.id)
	}
	return strings.Join(ids, " ")
}

func gzipped(doc string) string {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	io.WriteString(w, doc)
	w.Close()
	return b.String()
}

// endingAt returns a document of n bytes, the end of which is the code.
func endingAt(n int) string {
	const start, code = "<Error>", "<Code>ExpiredToken</Code>"
	return start + strings.Repeat(" ", n-len(start)-len(code)) + code
}

const expired = "The security token included in the request is expired"

// Issues: cockroach#169763, aws-sdk-js#80, aws-sdk-ruby#143,
// nix#15609, graph-explorer#39 .
func TestRejectedToken(t *testing.T) {
	xml := func(code string) string { return fmt.Sprintf(s3Error, code) }
	for name, c := range map[string]struct {
		status       int
		header, body string
		replayed     bool
	}{
		"S3":                     {400, "", xml("ExpiredToken"), true},
		"S3 403":                 {403, "", xml("ExpiredToken"), true},
		"401":                    {401, "", xml("InvalidToken"), true},
		"S3 refresh":             {400, "", xml("TokenRefreshRequired"), true},
		"MinIO":                  {403, "", xml("InvalidTokenId"), true},
		"STS":                    {403, "", `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>ExpiredTokenException</Code></Error></ErrorResponse>`, true},
		"EC2":                    {400, "", `<Response><Errors><Error><Code>ExpiredToken</Code></Error></Errors></Response>`, true},
		"EC2 request":            {400, "", `<Response><Errors><Error><Code>RequestExpired</Code><Message>Request has expired.</Message></Error></Errors></Response>`, true},
		"JSON type":              {400, "", `{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"no"}`, true},
		"JSON code":              {403, "", ` {"Code":"ExpiredToken","n":1}`, true},
		"JSON odd code":          {403, "", `{"code":403,"__type":"ExpiredToken"}`, true},
		"JSON nested":            {403, "", `{"Error":{"Code":"ExpiredTokenException","Message":"no"},"RequestId":"1"}`, true},
		"JSON nested __":         {400, "", `{"requestId":"1","error":{"__type":"x#InvalidToken"}}`, true},
		"JSON nested by message": {403, "", `{"error":{"code":"AccessDeniedException","message":"` + expired + `."}}`, true},
		"Neptune":                {403, "", `{"code":"AccessDeniedException","requestId":"1","detailedMessage":"` + expired + `"}`, true},
		"DynamoDB":               {400, "", `{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"` + expired + `"}`, true},
		"by header and message":  {403, "AccessDeniedException:", `{"Message":"` + expired + `"}`, true},
		"XML by message":         {403, "", "<Error><Message>" + expired + ".</Message><Code>AccessDeniedException</Code></Error>", true},
		"header":                 {403, "ExpiredTokenException:http://internal.amazon.com/coral/", "", true},
		"spaces":                 {400, "", "\xef\xbb\xbf\r\n" + `<Error><Code> ExpiredToken </Code></Error>`, true},
		"large":                  {400, "", strings.Replace(xml("ExpiredToken"), "<Message>", "<Message>"+text(50_000), 1), true},
		"gzip":                   {400, "", gzipped(xml("ExpiredToken")), true},
		"gzip JSON":              {403, "", gzipped(`{"__type":"UnrecognizedClientException","message":"` + expired + `"}`), true},
		"gzip cut short":         {400, "", gzipped(xml("ExpiredToken") + text(5000))[:60], false},
		"gzip of others":         {403, "", gzipped(xml("AccessDenied")), false},
		"gzip bomb":              {400, "", gzipped("<Error>" + strings.Repeat(" ", 8<<20) + "<Code>ExpiredToken</Code></Error>"), false},
		"gzip of 64 KiB":         {400, "", gzipped(endingAt(64 << 10)), true},
		"gzip of 64 KiB and one": {400, "", gzipped(endingAt(64<<10 + 1)), false},
		"not gzip":               {400, "", "\x1f\x8b" + xml("ExpiredToken"), false},
		"too late":               {400, "", "<Error><Message>" + text(70_000) + "</Message><Code>ExpiredToken</Code></Error>", false},
		"access denied":          {403, "", xml("AccessDenied"), false},
		"signature":              {403, "", xml("SignatureDoesNotMatch"), false},
		"invalid id":             {403, "", xml("InvalidClientTokenId"), false},
		"unknown key":            {400, "", `{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}`, false},
		"header first":           {403, "AccessDeniedException", xml("ExpiredToken"), false},
		"in the message":         {403, "", "<Error><Code>AccessDenied</Code><Message>ExpiredToken</Message></Error>", false},
		"message, other code":    {403, "", `{"code":"AccessDenied","message":"` + expired + `"}`, false},
		"message alone":          {403, "", `{"message":"` + expired + `"}`, false},
		"in a longer message":    {403, "", `{"code":"AccessDeniedException","message":"No access to object ` + expired + `"}`, false},
		"as a sentence":          {403, "", `{"code":"AccessDeniedException","message":"No access to a. ` + expired + `."}`, false},
		"nested twice":           {403, "", `{"error":{"error":{"code":"ExpiredToken"}}}`, false},
		"nested elsewhere":       {403, "", `{"code":"AccessDenied","object":{"code":"ExpiredToken","message":"` + expired + `"}}`, false},
		"code outside, nested":   {403, "", `{"code":"AccessDenied","error":{"code":"ExpiredToken"}}`, false},
		"error is text":          {403, "", `{"error":"ExpiredToken"}`, false},
		"empty":                  {403, "", "", false},
		"HTML":                   {403, "", "<html><body>ExpiredToken</body></html>", false},
		"text":                   {403, "", "ExpiredToken", false},
		"broken XML":             {403, "", "<Error><Code", false},
		"broken JSON":            {403, "", `{"__type":"ExpiredToken`, false},
		"another status":         {500, "", xml("ExpiredToken"), false},
		"another success":        {200, "", xml("ExpiredToken"), false},
		"not found":              {404, "ExpiredToken", xml("ExpiredToken"), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, plain, nil, "FIRST", "SECOND")
			s.do = func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(name, "gzip") && strings.Contains(r.Header.Get("Authorization"), "FIRST/") {
					w.Header().Set("Content-Encoding", "gzip")
				}
				rejects(c.status, c.header, c.body, "FIRST")(w, r)
			}
			tr := s.transport()
			tr.Credentials = s.rotating()
			req := newRequest(t, "POST", s.URL, strings.NewReader("hello"))
			if strings.Contains(name, "gzip") { // or net/http would decode it
				req.Header.Set("Accept-Encoding", "gzip")
			}
			resp, body := read(t, tr.RoundTrip, req)
			if c.replayed {
				require.Equal(t, 200, resp.StatusCode)
				require.Equal(t, "FIRST SECOND", s.ids())
				require.Equal(t, "hello", s.arrivals()[1].body)
			} else {
				require.Equal(t, c.status, resp.StatusCode)
				require.Equal(t, c.body, string(body), "the body is as it was")
				require.Equal(t, "FIRST", s.ids())
			}
		})
	}
}

// A response to HEAD has no body; MinIO has the code in a header .
func TestRejectedTokenOfHEAD(t *testing.T) {
	for code, replayed := range map[string]bool{"ExpiredToken": true, "InvalidTokenId": true, "AccessDenied": false, "": false} {
		s := newService(t, plain, nil, "FIRST", "SECOND")
		s.do = func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.Header.Get("Authorization"), "FIRST/") {
				w.Header().Set("X-Minio-Error-Code", code)
				w.WriteHeader(403)
			}
		}
		tr := s.transport()
		tr.Credentials = s.rotating()
		resp := do(t, tr.RoundTrip, newRequest(t, "HEAD", s.URL, nil))
		require.Equal(t, replayed, s.ids() == "FIRST SECOND", code)
		require.Equal(t, replayed, resp.StatusCode == 200, code)
	}
}

// Credentials that differ from the rejected ones in one field are others.
func TestRejectedTokenReplacedInPart(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*stschain.Credentials)
		sent   int
	}{
		"nothing": {func(*stschain.Credentials) {}, 1},
		"ID":      {func(c *stschain.Credentials) { c.AccessKeyID = "OTHER" }, 2},
		"secret":  {func(c *stschain.Credentials) { c.SecretAccessKey = stschain.NewSecret("another-secret") }, 2},
		"token":   {func(c *stschain.Credentials) { c.SessionToken = stschain.NewSecret("another-token") }, 2},
	} {
		sent, other := 0, creds("AKID")
		c.change(&other)
		tr := &sigv4.Transport{Service: "s3", Region: "r", Credentials: &oneByOne{creds("AKID"), other}, Base: roundTripper(func(*http.Request) (*http.Response, error) {
			sent++
			return &http.Response{StatusCode: 400, Header: http.Header{}, Body: newStream(fmt.Sprintf(s3Error, "ExpiredToken"))}, nil
		})}
		do(t, tr.RoundTrip, newRequest(t, "GET", "https://h/", nil))
		require.Equal(t, c.sent, sent, name)
	}
}

// oneByOne is a cache that returns each of its credentials once.
type oneByOne []stschain.Credentials

func (o *oneByOne) Retrieve(context.Context) (stschain.Credentials, error) {
	next := (*o)[0]
	*o = (*o)[1:]
	return next, nil
}

func (o *oneByOne) RetrieveFor(ctx context.Context, _ time.Duration) (stschain.Credentials, error) {
	return o.Retrieve(ctx)
}

func (o *oneByOne) Invalidate(stschain.Credentials) {}
