package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/ststest"
)

// world is what a chain can see of a machine.
type world struct {
	env       map[string]string
	files     map[string]string // by absolute path
	refused   map[string]error  // files that cannot be opened
	processes map[string]string // what commands print; others exit with 1
	clock     time.Time         // zero: the real one
	transport http.RoundTripper
}

// chain is the default chain of the world.
func (w world) chain(t *testing.T) *source.Default {
	d := &source.Default{
		LookupEnv: func(name string) (string, bool) { value, ok := w.env[name]; return value, ok },
		Open:      w.open,
		Run: func(_ context.Context, command string) ([]byte, error) {
			if printed, ok := w.processes[command]; ok {
				return []byte(printed), nil
			}
			return nil, errors.New("exit status 1")
		},
		HTTPClient: &http.Client{Transport: w.transport},
	}
	if !w.clock.IsZero() {
		d.Clock = stopped(w.clock)
	}
	if w.transport == nil {
		d.HTTPClient.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			t.Errorf("unexpected request %s %s", r.Method, r.URL)
			return nil, errors.New("unreachable")
		})
	}
	return d
}

func (w world) open(path string) (fs.File, error) {
	if err := w.refused[path]; err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	root := fstest.MapFS{}
	for name, content := range w.files {
		root[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: []byte(content), Mode: 0o600}
	}
	return root.Open(strings.TrimPrefix(path, "/"))
}

// stopped is a clock that does not go.
type stopped time.Time

func (s stopped) Now() time.Time { return time.Time(s) }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// machine is an EC2 instance with a role, where STS, an agent of ECS and one of EKS can
// be reached too.
type machine struct {
	sts      *ststest.Server
	agent    http.HandlerFunc // nil: gives the task's credentials
	metadata http.HandlerFunc // nil: gives the instance's credentials

	mu       sync.Mutex
	requests []string // hosts, each time another one than before
}

const imdsHost, ecsHost, eksHost = "169.254.169.254", "169.254.170.2", "169.254.170.23"

func (m *machine) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	if n := len(m.requests); n == 0 || m.requests[n-1] != r.URL.Host {
		m.requests = append(m.requests, r.URL.Host)
	}
	m.mu.Unlock()
	var handler http.HandlerFunc
	switch host := r.URL.Hostname(); {
	case strings.HasPrefix(host, "sts"):
		return m.sts.Client().Transport.RoundTrip(r)
	case host == imdsHost:
		handler = either(m.metadata, instance)
	case host == ecsHost, host == eksHost:
		handler = either(m.agent, task)
	default:
		return nil, fmt.Errorf("dial %s: no such host", host)
	}
	w := &response{header: http.Header{}, status: http.StatusOK}
	handler(w, r)
	if w.broken {
		return nil, errors.New("connection refused")
	}
	return &http.Response{
		Status: fmt.Sprint(w.status, " ", http.StatusText(w.status)), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(strings.NewReader(w.body.String())), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// hosts are those that got requests since the last time.
func (m *machine) hosts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	requests := m.requests
	m.requests = nil
	return requests
}

func either(a, b http.HandlerFunc) http.HandlerFunc {
	if a != nil {
		return a
	}
	return b
}

// response is an http.ResponseWriter.
type response struct {
	header http.Header
	status int
	body   strings.Builder
	broken bool
}

func (a *response) Header() http.Header         { return a.header }
func (a *response) WriteHeader(status int)      { a.status = status }
func (a *response) Write(b []byte) (int, error) { return a.body.Write(b) }

// status responds to every request in one way.
func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

// unreachable is an address where nothing listens.
func unreachable(w http.ResponseWriter, _ *http.Request) { w.(*response).broken = true }

func task(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, document("ASIATASK"))
}

func instance(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/latest/api/token":
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		io.WriteString(w, "token")
	case "/latest/meta-data/iam/security-credentials/":
		io.WriteString(w, "worker")
	case "/latest/meta-data/iam/security-credentials/worker":
		io.WriteString(w, document("ASIAINSTANCE"))
	case "/latest/meta-data/placement/region":
		io.WriteString(w, "eu-north-1")
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// roleless is instance without a role.
func roleless(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/iam/") {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	instance(w, r)
}

const canarySecret = "canary/secret/4711"

// document is what agents and the metadata service return.
func document(id string) string {
	return fmt.Sprintf(`{"Code":"Success","Version":1,"AccessKeyId":%q,"SecretAccessKey":%q,"Token":"canary/token/4711","SessionToken":"canary/token/4711","Expiration":"2099-01-01T00:00:00Z"}`, id, canarySecret)
}
