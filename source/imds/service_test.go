package imds_test

import (
	"cmp"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"

	"github.com/stschain-go/stschain/source/imds"
)

const (
	secret       = "wJalrXUtnFEMI/hunter4711+KEY"
	sessionToken = "canary-4711-session-token=="

	document = `{"Code":"Success","LastUpdated":"2026-11-21T12:00:00Z","Type":"AWS-HMAC","AccessKeyId":"ASIAEXAMPLE",` +
		`"SecretAccessKey":"` + secret + `","Token":"` + secret + `","Expiration":"2026-11-21T18:00:00Z"}`

	tokenPath = "/latest/api/token"
	rolePath  = "/latest/meta-data/iam/security-credentials/"
)

// fake is a metadata service without a network. A request is looked up by method
// and path, or gets the response of an instance whose role is "web".
type fake struct {
	responses map[string][]string // "GET /path" -> "503 body", the last one for good
	life      string              // of session tokens, in seconds; "": as requested

	mu       sync.Mutex
	requests []string // "GET /path token"
	hosts    []string
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	token := r.Header.Get("X-Aws-Ec2-Metadata-Token")
	f.requests = append(f.requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+token))
	f.hosts = append(f.hosts, r.URL.Host)
	question := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/at")
	response := map[string]string{
		"PUT " + tokenPath:                       "200 " + sessionToken,
		"GET " + rolePath:                        "200 web",
		"GET " + rolePath + "web":                "200 " + document,
		"GET " + rolePath + "new":                "200 " + document,
		"GET /latest/meta-data/placement/region": "200 eu-west-1",
	}[question]
	if next := f.responses[question]; len(next) > 0 {
		response = next[0]
		if len(next) > 1 {
			f.responses[question] = next[1:]
		}
	}
	code, body, _ := strings.Cut(response, " ")
	rec := httptest.NewRecorder()
	switch code {
	case "hang", "silent":
		if code == "silent" { // connected, and then nothing
			httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
		}
		<-r.Context().Done()
		return nil, r.Context().Err()
	case "reset":
		httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
		return nil, io.ErrUnexpectedEOF
	case "cut":
		resp := rec.Result()
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(body), broken{}))
		return resp, nil
	case "302":
		rec.Header().Set("Location", "http://elsewhere.example/")
	case "", "404":
		code = "404"
	}
	if name := "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"; r.Method == http.MethodPut {
		rec.Header().Set(name, cmp.Or(f.life, r.Header.Get(name)))
	}
	status := 0
	for _, digit := range code {
		status = 10*status + int(digit-'0')
	}
	rec.WriteHeader(status)
	_, _ = rec.WriteString(body)
	return rec.Result(), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// provider is one of the fake, in this environment.
func (f *fake) provider(vars ...string) *imds.Provider {
	return &imds.Provider{LookupEnv: from(vars...), HTTPClient: &http.Client{Transport: f}}
}

// count returns how often there was a request.
func (f *fake) count(question string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if r == question || strings.HasPrefix(r, question+" ") {
			n++
		}
	}
	return n
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

// closedPort is a loopback address where nothing listens.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
