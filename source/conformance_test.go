package source_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
)

// cause is what our error has to contain where a case wants one. ErrorContains is
// in another library's words.
var cause = map[string]string{
	"eks_pod_identity_no_token_file":     "/token.jwt",
	"imds_default_chain_error":           "169.254.169.254",
	"imds_disabled":                      "AWS_EC2_METADATA_DISABLED",
	"imds_no_iam_role":                   "169.254.169.254",
	"imds_token_fail":                    "403",
	"profile_overrides_web_identity":     "AWS_ACCESS_KEY_ID",
	"sso_no_token_file":                  "not signed in: /home/.aws/sso/cache/dace00cba5f8355ec9d274ceb2bcebdfbeed0e12.json does not exist; run aws sso login --profile sso-test",
	"sso_server_error":                   "503",
	"web_identity_source_profile_no_env": "role_arn",
	"web_identity_token_invalid_jwt":     "No OpenIDConnect provider found in your account",
}

// recordedRole is what the files of a case name, and the role whose session was
// recorded in its traffic instead. STS returns the role of the request, and
// a session of another one is refused; so the files are made to name the one of the response.
var recordedRole = map[string][2]string{
	"web_identity_token_env":            {"arn:aws:iam::123456789012:role/test-role", "arn:aws:iam::123456789012:role/sdk-test"},
	"web_identity_token_profile":        {"arn:aws:iam::1234567890123:role/RoleA", "arn:aws:iam::123456789012:role/s3-reader"},
	"web_identity_token_source_profile": {"arn:aws:iam::123456789:role/RoleA", "arn:aws:iam::123456789012:role/integration-test"},
}

// The recordings are from different years: they are replayed before the first of them
// expires, without learning the time from them. They are of an SDK that speaks only the
// second version of the metadata service.
var (
	recordingTime = time.Date(2009, 2, 13, 23, 0, 0, 0, time.UTC)
	recordingEnv  = map[string]string{"AWS_DISABLE_CLOCK_SKEW_CORRECTION": "true", "AWS_EC2_METADATA_V1_DISABLED": "true"}
)

func TestConformance(t *testing.T) {
	cases := filepath.Join(conformance.Dir(t), "default-chain", "cases")
	names, err := os.ReadDir(cases)
	require.NoError(t, err)
	t.Run("default-chain", func(t *testing.T) {
		for _, entry := range names {
			t.Run(entry.Name(), func(t *testing.T) {
				runCase(t, entry.Name(), filepath.Join(cases, entry.Name()))
			})
		}
	})
	require.GreaterOrEqual(t, len(names), 29)
}

// expected is a test-case.json.
type expected struct {
	Result struct {
		OK *struct {
			AccessKeyID     string `json:"access_key_id"`
			SecretAccessKey string `json:"secret_access_key"`
			SessionToken    string `json:"session_token"`
			AccountID       string `json:"account_id"`
			Expiry          int64  `json:"expiry"`
		} `json:"Ok"`
		ErrorContains string
	} `json:"result"`
}

func runCase(t *testing.T, name, dir string) {
	var want expected
	var env map[string]string
	var traffic recording
	read(t, filepath.Join(dir, "test-case.json"), &want)
	read(t, filepath.Join(dir, "env.json"), &env)
	read(t, filepath.Join(dir, "http-traffic.json"), &traffic)
	for variable, value := range recordingEnv {
		env[variable] = value
	}
	if name == "web_identity_token_invalid_jwt" || name == "sso_server_error" {
		env["AWS_MAX_ATTEMPTS"] = "1" // it was recorded without a retry for this
	}
	files := tree(t, filepath.Join(dir, "fs"))
	if roles, ok := recordedRole[name]; ok {
		for variable, value := range env {
			env[variable] = strings.ReplaceAll(value, roles[0], roles[1])
		}
		for path, file := range files {
			files[path] = strings.ReplaceAll(file, roles[0], roles[1])
		}
	}

	replay := &replay{t: t, connections: traffic.connections(t), form: formOf(name, env, files)}
	w := world{env: env, files: files, clock: recordingTime, transport: replay}
	d := w.chain(t)
	d.ProfileFirst = true // as the library that the cases are of
	creds, err := d.Retrieve(t.Context())
	replay.finished()
	if want.Result.OK == nil {
		require.NotEmpty(t, want.Result.ErrorContains)
		require.ErrorContains(t, err, cause[name])
		require.NotEmpty(t, cause[name], "what the error has to contain: %v", err)
		t.Logf("%v", err)
		return
	}
	require.NoError(t, err)
	ok := want.Result.OK
	require.Equal(t, ok.AccessKeyID, creds.AccessKeyID)
	require.Equal(t, stschain.NewSecret(ok.SecretAccessKey), creds.SecretAccessKey)
	require.Equal(t, stschain.NewSecret(ok.SessionToken), creds.SessionToken)
	require.Equal(t, ok.AccountID, creds.AccountID)
	if ok.Expiry == 0 {
		require.Zero(t, creds.Expires)
	} else {
		require.Equal(t, time.Unix(ok.Expiry, 0).UTC(), creds.Expires.UTC())
	}
}

// formOf checks what is sent to STS against what was recorded. Session names are made
// up, unless the environment gives one; tokens are replaced in the files of most cases.
func formOf(name string, env, files map[string]string) func(sent, recorded url.Values) error {
	return func(sent, recorded url.Values) error {
		if got, want := keys(sent), keys(recorded); !slices.Equal(got, want) {
			return fmt.Errorf("sent %v, recorded %v", got, want)
		}
		for field := range recorded {
			got, want := sent.Get(field), recorded.Get(field)
			switch field {
			case "RoleSessionName":
				want = env["AWS_ROLE_SESSION_NAME"]
				if want == "" && got != "" {
					continue
				}
			case "WebIdentityToken":
				want = strings.TrimSpace(files["/token.jwt"])
			case "RoleArn":
				if _, differs := recordedRole[name]; differs {
					continue // the response shows it
				}
			}
			if got != want {
				return fmt.Errorf("sent %s=%s, want %s", field, got, want)
			}
		}
		return nil
	}
}

func keys(v url.Values) []string {
	var names []string
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// recording is an http-traffic.json.
type recording struct {
	Events []struct {
		Connection int `json:"connection_id"`
		Action     struct {
			Request *struct {
				Request struct {
					URI     string              `json:"uri"`
					Method  string              `json:"method"`
					Headers map[string][]string `json:"headers"`
				} `json:"request"`
			}
			Response *struct {
				Response struct {
					OK *struct {
						Status  int                 `json:"status"`
						Headers map[string][]string `json:"headers"`
					} `json:"Ok"`
				} `json:"response"`
			}
			Data *struct {
				Direction string `json:"direction"`
				Data      struct {
					UTF8 string `json:"Utf8"`
				} `json:"data"`
			}
		} `json:"action"`
	} `json:"events"`
}

// connection is one request and its response.
type connection struct {
	method, uri, body string
	status            int
	header            http.Header
	response          string
}

func (r *recording) connections(t *testing.T) []connection {
	var all []connection
	for _, e := range r.Events {
		if e.Connection == len(all) {
			all = append(all, connection{header: http.Header{}})
		}
		c := &all[e.Connection]
		switch a := e.Action; {
		case a.Request != nil:
			c.method, c.uri = a.Request.Request.Method, a.Request.Request.URI
		case a.Response != nil:
			require.NotNil(t, a.Response.Response.OK, "a connection that failed is not served here")
			c.status = a.Response.Response.OK.Status
			for name, values := range a.Response.Response.OK.Headers {
				if !strings.EqualFold(name, "Content-Length") { // the bodies were edited after they were recorded
					c.header[http.CanonicalHeaderKey(name)] = values
				}
			}
		case a.Data != nil && a.Data.Direction == "Request":
			c.body += a.Data.Data.UTF8
		case a.Data != nil:
			c.response += a.Data.Data.UTF8
		}
	}
	return all
}

// replay serves connections in order, and nothing else.
type replay struct {
	t           *testing.T
	form        func(sent, recorded url.Values) error
	mu          sync.Mutex
	connections []connection
	served      int
}

func (r *replay) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body.Close()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.served == len(r.connections) {
		r.t.Errorf("%s %s is one request too many", req.Method, req.URL)
		return nil, errors.New("nothing more was recorded")
	}
	c := r.connections[r.served]
	r.served++
	if req.Method != c.method || req.URL.String() != c.uri {
		r.t.Errorf("request %d is %s %s, recorded %s %s", r.served, req.Method, req.URL, c.method, c.uri)
	}
	sent, err1 := url.ParseQuery(string(body))
	recorded, err2 := url.ParseQuery(c.body)
	if err := errors.Join(err1, err2); err != nil {
		r.t.Errorf("request %d: %v", r.served, err)
	}
	if err := r.form(sent, recorded); err != nil {
		r.t.Errorf("request %d: %v", r.served, err)
	}
	return &http.Response{
		Status: fmt.Sprint(c.status, " ", http.StatusText(c.status)), StatusCode: c.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: c.header, Body: io.NopCloser(strings.NewReader(c.response)), ContentLength: int64(len(c.response)), Request: req,
	}, nil
}

func (r *replay) finished() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.served != len(r.connections) {
		r.t.Errorf("%d of %d recorded requests were made", r.served, len(r.connections))
	}
}

// tree reads the files of a case; their paths are absolute there.
func tree(t *testing.T, root string) map[string]string {
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) && path == root {
			return filepath.SkipAll // not every case has files
		}
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		files["/"+filepath.ToSlash(path[len(root)+1:])] = string(content)
		return err
	})
	require.NoError(t, err)
	return files
}

func read(t *testing.T, path string, into any) {
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(bytes.NewReader(content)).Decode(into), path)
}
