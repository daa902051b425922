package sigv4_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// FuzzRejection: that a service rejects the token is found where the other decoders find it, the
// response stays complete, and only a rejection is read ahead.
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
			t.Fatalf("%q is a rejection that was not found", body)
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
