package howto_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stschain-go/stschain/ststest"
)

// store is a server with STS and S3 at one address, as MinIO and Ceph have them. It keeps the last object of each path.
type store struct {
	sts *ststest.Server
	url string

	mu      sync.Mutex
	objects map[string]string
	signers map[string]string // access key IDs, by path
}

func newStore(t *testing.T) *store {
	s := &store{sts: ststest.NewTest(t), objects: map[string]string{}, signers: map[string]string{}}
	s3 := s.sts.Protect("s3", "", http.HandlerFunc(s.serve))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			s.sts.ServeHTTP(w, r)
			return
		}
		s3.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *store) serve(w http.ResponseWriter, r *http.Request) {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client gave up
	}
	caller, _ := ststest.CallerFrom(r.Context())
	s.mu.Lock()
	defer s.mu.Unlock()
	path := r.URL.RequestURI()
	s.signers[path] = caller.AccessKeyID
	if r.Method == http.MethodPut {
		s.objects[path] = string(content)
		return
	}
	io.WriteString(w, s.objects[path])
}

func (s *store) object(path string) (content, signer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[path], s.signers[path]
}
