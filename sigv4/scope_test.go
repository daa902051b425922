package sigv4_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// several is a host for each of some services, which verify with code of their
// own, and the scope of each host.
type several struct {
	http.ServeMux
	scopes map[string]sigv4.Scope
}

func newSeveral(srv *ststest.Server) *several {
	s := &several{scopes: map[string]sigv4.Scope{
		"bucket.s3.example":  {Service: "s3", Region: "eu-west-1"},
		"other.s3.example":   {Service: "s3", Region: "us-east-1"},
		"api.example":        {Service: "execute-api", Region: "eu-west-1"},
		"search.example":     {Service: "es", Region: "eu-central-1"},
		"serverless.example": {Service: "aoss", Region: "eu-central-1"},
	}}
	for host, sc := range s.scopes {
		s.Handle(host+"/", srv.Protect(sc.Service, sc.Region, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, _ := ststest.CallerFrom(r.Context())
			w.Header().Set("Caller", c.AccessKeyID)
			io.Copy(w, r.Body)
		})))
	}
	return s
}

func (s *several) scope(r *http.Request) (sigv4.Scope, error) {
	if sc, ok := s.scopes[r.URL.Host]; ok {
		return sc, nil
	}
	return sigv4.Scope{}, errors.New("no service of ours")
}

// oddPath is one that S3 and the others escape differently; a mux would clean another.
const oddPath = "/a%20b/+%2F~/ü?x=2&x=1+&y"

func TestScope(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(now)
	srv := ststest.NewTest(t)
	srv.Clock = mock
	srv.AllowRefusals("ExpiredToken")
	services := newSeveral(srv)
	tr := &sigv4.Transport{
		Scope: services.scope, Clock: mock, Base: ststest.InProcess(services), Hosts: []string{"*.example", "unknown.test"},
		Credentials: &assumerole.Provider{
			Client:  &stsquery.Client{Credentials: srv.User(), Region: "eu-west-1", HTTPClient: srv.Client(), Clock: mock},
			RoleARN: "arn:aws:iam::123456789012:role/backup",
		},
	}
	caller := ""
	for name, send := range ways(tr) {
		for host := range services.scopes {
			for _, revoked := range []bool{false, true} {
				mock.Add(time.Minute)
				if revoked {
					require.True(t, srv.Revoke(caller))
				}
				req := newRequest(t, "PUT", "https://"+host+oddPath, strings.NewReader("hello"))
				req.Header.Set("X-Amz-Meta-A", " a\t b ")
				resp, err := send(req)
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode, "%s %s %s", name, host, body)
				require.Equal(t, "hello", string(body))
				got := resp.Header.Get("Caller")
				require.Equal(t, revoked, got != caller && caller != "", "a token that one service rejects is replaced for all")
				caller = got
			}
		}
		_, err := send(newRequest(t, "GET", "https://unknown.test/", nil))
		require.ErrorContains(t, err, `sigv4: no scope for host "unknown.test": no service of ours`)
		_, err = send(newRequest(t, "GET", "https://stranger.test/", nil))
		require.ErrorContains(t, err, `"stranger.test" is not in Hosts`)
	}
	require.Equal(t, 1+2*len(services.scopes), srv.Count("AssumeRole"))
}

// What is changed after signing is refused, and so is what was signed for another
// service or region.
func TestTampering(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals()
	services := newSeveral(srv)
	tr := &sigv4.Transport{Scope: services.scope, Credentials: srv.User()}
	for name, change := range map[string]func(*http.Request){
		"":       func(*http.Request) {},
		"method": func(r *http.Request) { r.Method = "POST" },
		"path":   func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/b", "" },
		"query":  func(r *http.Request) { r.URL.RawQuery += "&admin=1" },
		"header": func(r *http.Request) { r.Header.Set("X-Amz-Meta-A", "2") },
		"added":  func(r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") },
		"type":   func(r *http.Request) { r.Header.Set("Content-Type", "text/html") },
		"date":   func(r *http.Request) { r.Header.Set("X-Amz-Date", "20000101T000000Z") },
		"body": func(r *http.Request) {
			r.Body, r.GetBody = io.NopCloser(strings.NewReader("hacked")), nil
			r.ContentLength = 6
		},
		"host": func(r *http.Request) {
			r.Host = map[bool]string{true: "other.s3.example", false: "bucket.s3.example"}[r.URL.Host == "bucket.s3.example"]
		},
		"service": func(r *http.Request) {
			for _, s := range []string{"s3", "execute-api", "es", "aoss"} {
				r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/"+s+"/", "/sts/", 1))
			}
		},
	} {
		for host := range services.scopes {
			req := newRequest(t, "PUT", "https://"+host+oddPath, strings.NewReader("hello"))
			req.Header.Set("Content-Type", "text/plain")
			req.Header.Set("X-Amz-Meta-A", "1")
			require.NoError(t, tr.SignRequest(req))
			change(req)
			resp := do(t, ststest.InProcess(services).RoundTrip, req)
			require.Equal(t, name == "", resp.StatusCode == 200, "%s at %s: %s", name, host, resp.Status)
		}
	}
}

// Scope is called once for a request, however often that is sent.
func TestScopeIsCalledOnce(t *testing.T) {
	s := newService(t, plain, rejects(403, "ExpiredToken", "", "AKID"), "AKID", "OTHER")
	calls := 0
	tr := s.transport()
	tr.Credentials = s.rotating()
	tr.Scope = func(*http.Request) (sigv4.Scope, error) {
		calls++
		return sigv4.Scope{Service: "execute-api", Region: "eu-west-1"}, nil
	}
	requireOK(t, tr.RoundTrip, newRequest(t, "PUT", s.URL, strings.NewReader("hello")))
	require.Equal(t, "AKID OTHER", s.ids())
	require.Equal(t, 1, calls)
}
