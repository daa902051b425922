package sigv4_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

// FuzzAtAService: a service that verifies with code of its own takes what was signed, in the
// header and in the URL, with a session token or without; and refuses it if anything of it changes.
func FuzzAtAService(f *testing.F) {
	f.Add("/a b//../c", "x=1&x=0&+=%41", "a\t b ", "hello", "token", false)
	f.Add("/ü%2F", "acl&y;z", "", "", "", true)
	f.Add("", "", ",,", "{}", "t/+=", true)
	mock := clock.NewMock()
	mock.Set(now)
	srv := ststest.New()
	srv.Clock = mock
	srv.AllowRefusals()
	f.Fuzz(func(t *testing.T, path, query, header, body, token string, s3 bool) {
		if strings.ContainsFunc(header+token, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return // net/http sends no such header
		}
		keys := stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("secret"), SessionToken: stschain.NewSecret(token)}
		srv.AddKeys("arn:aws:iam::123456789012:user/ada", keys)
		service := "execute-api"
		if s3 {
			service = "s3"
		}
		protected := srv.Protect(service, "eu-west-1", nil)
		serve := func(sent *http.Request, body string) int {
			r, _, err := sentAs(sent, body)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			protected.ServeHTTP(w, r)
			return w.Code
		}
		s := &sigv4.Signer{Service: service, Region: "eu-west-1"}
		unsigned := func() *http.Request {
			req := newRequest(t, "PUT", "https://api.example/", nil)
			req.URL.Path, req.URL.RawQuery = "/"+path, query
			req.Header = http.Header{"X-Amz-Meta": {header, "x"}}
			return req
		}
		req := unsigned()
		if err := s.Sign(req, sigv4.PayloadHash([]byte(body)), keys, now); err != nil {
			return
		}
		if code := serve(req, body); code != http.StatusOK {
			t.Fatalf("signed in the header: %d", code)
		}
		if code := serve(req, body+"x"); code == http.StatusOK {
			t.Fatal("another body passes")
		}
		if req.URL.RawQuery += "&changed"; serve(req, body) == http.StatusOK {
			t.Fatal("another query passes")
		}
		link, signed, err := s.Presign(unsigned(), sigv4.PayloadHash([]byte(body)), keys, now, time.Minute)
		if err != nil {
			t.Fatalf("Sign takes it, and Presign says %v", err)
		}
		later, err := http.NewRequest("PUT", link.Reveal(), nil)
		if err != nil {
			t.Fatal(err)
		}
		later.Header = signed
		if code := serve(later, body); code != http.StatusOK {
			t.Fatalf("presigned: %d", code)
		}
		if later.Method = "GET"; serve(later, body) == http.StatusOK {
			t.Fatal("another method passes")
		}
	})
}

// sentAs is a request with a body as a server gets it.
func sentAs(req *http.Request, body string) (*http.Request, []byte, error) {
	req = req.Clone(req.Context())
	req.Body, req.ContentLength = http.NoBody, int64(len(body))
	if body != "" {
		req.Body = io.NopCloser(strings.NewReader(body))
	}
	r, content, err := sent(req)
	if err == nil {
		r.Body = io.NopCloser(strings.NewReader(string(content)))
	}
	return r, content, err
}

// FuzzRejection: that a service rejects the token is found where the other decoders find it, the
// answer stays whole, and nothing but a refusal is read.
func FuzzRejection(f *testing.F) {
	for _, body := range []string{
		`<Error><Code>ExpiredToken</Code></Error>`, `<ErrorResponse><Error><Code>ExpiredTokenException</Code></Error></ErrorResponse>`,
		"\ufeff <?xml version=\"1.0\"?><Response><Errors><Error><Code><![CDATA[InvalidToken]]></Code></Error></Errors></Response>",
		`{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"x"}`, ` {"code":"ExpiredToken:http://internal/"}`,
		`{"__type":1,"code":"InvalidToken"}`, `<Code`, `{`, strings.Repeat(" ", 70<<10) + `{"code":"ExpiredToken"}`,
	} {
		f.Add(403, "", body)
		f.Add(200, "ExpiredToken", body)
		f.Add(400, "x#ExpiredTokenException:http://internal/", body)
	}
	f.Add(403, "AccessDeniedException", `{"message":"The security token included in the request is expired"}`)
	f.Add(403, "", `{"error":{"code":"UnrecognizedClientException","message":"The security token included in the request is expired."}}`)
	f.Add(403, "", "x<Error><Code>ExpiredToken</Code></Error>")
	f.Add(403, "", "<Error><Code><!-- -->Expired<![CDATA[Token]]></Code></Error>")
	f.Fuzz(func(t *testing.T, status int, kind, body string) {
		tr := &sigv4.Transport{Service: "execute-api", Region: "eu-west-1", Credentials: stschain.Static("AKID", "secret", "token")}
		req := newRequest(t, "GET", "https://api.example/", nil)
		if err := tr.SignRequest(req); err != nil {
			t.Fatal(err)
		}
		resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}
		if kind != "" {
			resp.Header.Set("X-Amzn-Errortype", kind)
		}
		rejected := tr.InvalidateRejected(resp)
		if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != body {
			t.Fatalf("of %q is left %q, %v", body, rest, err)
		}
		named := func(s string) bool {
			for _, code := range []string{"ExpiredToken", "InvalidToken", "RequestExpired", "TokenRefreshRequired", "AccessDeniedException", "UnrecognizedClientException"} {
				if strings.Contains(s, code) {
					return true
				}
			}
			return false
		}
		switch {
		case rejected && status != 400 && status != 401 && status != 403:
			t.Fatalf("%d is a rejection", status)
		case rejected && !named(kind) && !named(body) && !strings.ContainsAny(body, `\&`) && !strings.Contains(body, "<!") && !strings.Contains(body, "<?"): // escaped, or cut up
			t.Fatalf("%q is a rejection", body)
		case rejected || kind != "" || len(body) > 64<<10 || status != 403:
			return
		}
		var doc struct {
			Type string `json:"__type"`
		}
		var xmlDoc struct {
			XMLName xml.Name `xml:"Error"`
			Code    string
		}
		if json.Unmarshal([]byte(body), &doc) == nil && doc.Type == "ExpiredTokenException" || strings.HasPrefix(body, "<") && strings.Count(body, "Code") == 2 && xml.Unmarshal([]byte(body), &xmlDoc) == nil && xmlDoc.Code == "ExpiredToken" {
			t.Fatalf("%q is no rejection", body)
		}
	})
}

// FuzzConnection: a request that is not refused has no signed header that its
// Connection header makes the next hop remove.
func FuzzConnection(f *testing.F) {
	for _, connection := range []string{"close", "X-Amz-Date", " keep-alive,\tx-tenant,", "Te, Authorization", ",,", "Content-Type;a", "x-amz-"} {
		f.Add(connection)
	}
	f.Fuzz(func(t *testing.T, connection string) {
		s := &sigv4.Signer{Service: "s3", Region: "eu-west-1", SignedHeaders: []string{"X-Tenant"}}
		req := newRequest(t, "GET", "https://api.example/", nil)
		req.Header = http.Header{"Connection": {connection}, "X-Tenant": {"7"}, "Content-Type": {"a/b"}}
		if s.Sign(req, sigv4.PayloadHash(nil), stschain.Credentials{AccessKeyID: "AKID", SecretAccessKey: stschain.NewSecret("secret")}, now) != nil {
			return
		}
		for name := range strings.SplitSeq(connection, ",") { // as httputil.ReverseProxy does
			req.Header.Del(strings.Trim(name, " \t\r\n"))
		}
		for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Content-Sha256", "X-Tenant", "Content-Type"} {
			if req.Header.Get(name) == "" {
				t.Fatalf("Connection %q removes %s", connection, name)
			}
		}
	})
}
