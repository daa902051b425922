package login_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/source/login"
)

const (
	arn      = "arn:aws:sts::123456789012:assumed-role/Admin/ada"
	fileName = "5c5669bf80ced993fb1064e8990083531ae9ca33abd257c786db02b02b6cad49.json" // by sha256sum
	client   = "arn:aws:signin:::devtools/same-device"
	secret   = "canary-4711/secret+key"
	token    = "canary-4711-session-token=="
	refresh  = "canary-4711-refresh-token"
)

// A key that openssl made for these tests, and its thumbprint (RFC 7638), which openssl and
// Python computed.
const (
	key = `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIPIN6kwmjW/CcYWvUUeP39HzXCuFDUrjdXEYr2dFJc6LoAoGCCqGSM49
AwEHoUQDQgAEb2y/q7bG2efjJwJPmfWZBc9TMiOypsio4/X4D657JsElgx3LC3QE
CYXlES1RsHdGB65QCDZmKB33+NR+670ZOg==
-----END EC PRIVATE KEY-----
`
	thumbprint = "JZCK_fTYeu-2bD5VarrSgIfLQh5ZbptIEkoruaqb0sA"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

type object = map[string]any

// document is the file of a session whose credentials expire then.
func document(expires time.Time) object {
	return object{
		"accessToken": object{
			"accessKeyId": "ASIAOLD", "secretAccessKey": secret, "sessionToken": token,
			"accountId": "123456789012", "expiresAt": expires.Format(time.RFC3339),
		},
		"tokenType": "aws_sigv4", "clientId": client, "refreshToken": refresh, "idToken": "a.b.c", "dpopKey": key,
	}
}

// world is a machine on which a user has signed in, and the service for that.
type world struct {
	*login.Provider
	clock   *clock.Mock
	service *signIn
	file    string
}

// newWorld is one where it is noon.
func newWorld(t *testing.T, doc object) *world {
	now := clock.NewMock()
	now.Set(noon)
	service := &signIn{t: t, now: now.Now, good: refresh}
	dir := t.TempDir()
	w := &world{
		&login.Provider{
			Session: arn, Profile: "dev", CacheDir: dir, Region: "eu-west-1", Clock: now,
			LookupEnv:  func(string) (string, bool) { return "", false },
			HTTPClient: &http.Client{Transport: service},
		},
		now, service, filepath.Join(dir, fileName),
	}
	if doc != nil {
		w.write(t, doc)
	}
	return w
}

func (w *world) write(t *testing.T, doc object) {
	content, err := json.Marshal(doc)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(w.file, content, 0o644))
}

func (w *world) read(t *testing.T) (doc object) {
	content, err := os.ReadFile(w.file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &doc))
	return doc
}

// with is a document with other members; nil takes one away.
func with(doc object, others object) object {
	doc = maps.Clone(doc)
	for name, value := range others {
		doc[name] = value
		if value == nil {
			delete(doc, name)
		}
	}
	return doc
}

// signIn is the service. It trusts who proves to have the key, and takes each refresh token
// once.
type signIn struct {
	t       *testing.T
	now     func() time.Time
	undated bool // its responses have no date

	mu       sync.Mutex
	good     string            // the refresh token that it takes
	gave     int               // credentials
	requests []string          // URLs
	used     map[string]bool   // proofs
	first    []func() response // are sent first, instead of its own
}

type response struct {
	status int
	body   string
	err    error
}

// next adds responses to be sent first.
func (s *signIn) next(status int, body string, times int) {
	for range times {
		s.first = append(s.first, func() response { return response{status: status, body: body} })
	}
}

func (s *signIn) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	a := s.serve(r, r.URL.String())
	if a.err != nil {
		return nil, a.err
	}
	w := httptest.NewRecorder()
	s.write(w, a)
	return w.Result(), r.Context().Err()
}

func (s *signIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.write(w, s.serve(r, "http://"+r.Host+r.URL.String()))
}

func (s *signIn) write(w http.ResponseWriter, a response) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	if s.undated {
		w.Header()["Date"] = nil
	}
	w.WriteHeader(a.status)
	fmt.Fprint(w, a.body)
}

func (s *signIn) serve(r *http.Request, url string) response {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, url)
	var form struct{ ClientID, GrantType, RefreshToken string }
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&form); err != nil || form.ClientID != client || form.GrantType != "refresh_token" {
		s.t.Errorf("the body: %+v, %v", form, err)
	}
	if got := r.Header.Get("Content-Type"); got != "application/json" {
		s.t.Errorf("Content-Type is %q", got)
	}
	if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
		s.t.Error("the request has credentials that it does not need")
	}
	p, err := verify(r.Header.Values("DPoP"))
	switch {
	case err != nil:
		s.t.Errorf("the proof: %v", err)
	case p.thumbprint != thumbprint:
		s.t.Errorf("the thumbprint is %s", p.thumbprint)
	case p.method != r.Method || r.Method != "POST" || p.url != url || !strings.HasSuffix(url, "/v1/token"):
		s.t.Errorf("the proof is for %s %s; the request is %s %s", p.method, p.url, r.Method, url)
	case s.used[p.id]:
		s.t.Error("a proof was used twice")
	}
	if s.used == nil {
		s.used = map[string]bool{}
	}
	s.used[p.id] = true
	switch {
	case len(s.first) > 0:
		a := s.first[0]
		s.first = s.first[1:]
		return a()
	case s.now().Sub(p.issued).Abs() > 30*time.Second: // as the real one speaks of a clock that is off, aws-cli#10330
		return refusal(401, "TOKEN_EXPIRED")
	case form.RefreshToken != s.good:
		return refusal(400, "INVALID_REQUEST")
	}
	s.gave++
	s.good = fmt.Sprintf("%s-%d", refresh, s.gave)
	return response{status: 200, body: fmt.Sprintf(`{"accessToken":{"accessKeyId":"ASIANEW%[1]d","secretAccessKey":"%[2]s-%[1]d","sessionToken":"%[3]s-%[1]d"},`+
		`"tokenType":"aws_sigv4","expiresIn":900,"refreshToken":"%[4]s"}`, s.gave, secret, token, s.good)}
}

func refusal(status int, code string) response {
	return response{status: status, body: fmt.Sprintf(`{"__type":"AccessDeniedException","error":%q,"message":"It says %s."}`, code, code)}
}

func reply(status int, body string) *http.Response {
	w := httptest.NewRecorder()
	w.WriteHeader(status)
	fmt.Fprint(w, body)
	return w.Result()
}
