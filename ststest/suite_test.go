package ststest_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/ststest"
)

// TestVerifyOfficialSuite verifies the signed requests of the official SigV4
// suite, and refuses them with any one byte changed.
func TestVerifyOfficialSuite(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(conformance.Dir(t), "sigv4", "v4", "*"))
	require.NoError(t, err)
	verifySuite(t, dirs)
}

// TestVerifySigV4aSuite does the same with the SigV4a suite of aws-c-auth, which has two requests without signatures.
func TestVerifySigV4aSuite(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(conformance.Dir(t), "sigv4a", "aws-c-auth-suite", "v4a", "*", "public-key.json"))
	require.NoError(t, err)
	for i := range files {
		files[i] = filepath.Dir(files[i])
	}
	verifySuite(t, files)
}

func verifySuite(t *testing.T, dirs []string) {
	require.Len(t, dirs, 38)
	for _, kind := range []string{"header", "query"} {
		for _, dir := range dirs {
			t.Run(kind+"/"+filepath.Base(dir), func(t *testing.T) {
				c := readContext(t, filepath.Join(dir, "context.json"))
				srv := ststest.NewTest(t)
				srv.AddKeys("arn:aws:iam::123456789012:user/suite", c.credentials())
				verify := func(r rawRequest) string { return srv.Verify(r.request(), r.body, c.rules(), c.Timestamp) }

				r := readRequest(t, filepath.Join(dir, kind+"-signed-request.txt"))
				require.Empty(t, verify(r))
				for changed, what := range r.changes() {
					if verify(changed) == "" {
						t.Errorf("verified with another %s: %q", what, changed)
					}
				}
			})
		}
	}
}

type suiteContext struct {
	Credentials struct {
		ID     string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
		Token  string `json:"token"`
	} `json:"credentials"`
	Normalize bool      `json:"normalize"`
	Region    string    `json:"region"`
	Service   string    `json:"service"`
	Timestamp time.Time `json:"timestamp"`
	OmitToken bool      `json:"omit_session_token"`
}

func readContext(t *testing.T, file string) (c suiteContext) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &c))
	return c
}

func (c suiteContext) credentials() stschain.Credentials {
	return stschain.Credentials{
		AccessKeyID:     c.Credentials.ID,
		SecretAccessKey: stschain.NewSecret(c.Credentials.Secret),
		SessionToken:    stschain.NewSecret(c.Credentials.Token),
	}
}

func (c suiteContext) rules() ststest.Rules {
	return ststest.Rules{Service: c.Service, Region: c.Region, KeepPath: !c.Normalize, UnsignedToken: c.OmitToken}
}

// rawRequest is a request as the suite writes it: net/http would refuse some.
type rawRequest struct {
	method, target string
	header         []headerLine
	body           []byte
}

type headerLine struct{ name, value string }

func readRequest(t *testing.T, file string) (r rawRequest) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	head, body, _ := strings.Cut(string(data), "\n\n")
	first, rest, _ := strings.Cut(head, "\n")
	method, rest1, _ := strings.Cut(first, " ")
	r.method, r.target = method, strings.TrimSuffix(rest1, " HTTP/1.1")
	for line := range strings.SplitSeq(rest, "\n") {
		if strings.HasPrefix(line, " ") {
			r.header[len(r.header)-1].value += line // folded
		} else if name, value, ok := strings.Cut(line, ":"); ok {
			r.header = append(r.header, headerLine{name, value})
		}
	}
	for _, h := range r.header {
		if strings.EqualFold(h.name, "Content-Length") {
			n, err := strconv.Atoi(h.value)
			require.NoError(t, err)
			r.body = []byte(body[:n])
		}
	}
	return r
}

func (r rawRequest) request() *http.Request {
	req := &http.Request{Method: r.method, RequestURI: r.target, Header: http.Header{}, ContentLength: int64(len(r.body))}
	for _, h := range r.header {
		if strings.EqualFold(h.name, "Host") {
			req.Host = h.value
		} else {
			req.Header.Add(h.name, h.value)
		}
	}
	return req
}

// changes yields the request with one bit of what is signed changed, at every
// byte in turn.
func (r rawRequest) changes() func(yield func(rawRequest, string) bool) {
	return func(yield func(rawRequest, string) bool) {
		for m := range mutations(r.method) {
			c := r
			if c.method = m; !yield(c, "method") {
				return
			}
		}
		wirePath, query, _ := strings.Cut(r.target, "?")
		for m := range mutations(wirePath) {
			if path.Clean("/"+m) == path.Clean("/"+wirePath) {
				continue // the same path, where paths are normalized
			}
			c := r
			if c.target = m + strings.TrimPrefix(r.target, wirePath); !yield(c, "path") {
				return
			}
		}
		for m := range mutations(query) {
			c := r
			if c.target = wirePath + "?" + m; !yield(c, "query") {
				return
			}
		}
		for i, h := range r.header {
			for m := range mutations(h.value) {
				c := r
				c.header = slices.Clone(r.header)
				c.header[i].value = m
				if !yield(c, h.name) {
					return
				}
			}
		}
		for m := range mutations(string(r.body)) {
			c := r
			if c.body = []byte(m); !yield(c, "body") {
				return
			}
		}
	}
}

func mutations(s string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		b := []byte(s)
		for i := range b {
			b[i] ^= 1
			if !yield(string(b)) {
				return
			}
			b[i] ^= 1
		}
	}
}
