package main

import (
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// demonstration configures a fake STS and a bucket that verifies signatures.
// Sessions of STS are valid for at least 15 minutes; these are valid for six
// seconds, and the first one is revoked.
func demonstration(s *setting) (stop func()) {
	sts := ststest.New()
	sts.Lifetime = 6 * time.Second
	b := &bucket{objects: map[string]object{}}

	s.bucket = "bucket"
	s.roleARN = "arn:aws:iam::123456789012:role/example"
	s.advisoryWindow = 3 * time.Second
	s.sts = stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client()}
	s.s3 = func(o *s3.Options) {
		o.Region = "eu-west-1"
		o.BaseEndpoint, o.UsePathStyle = aws.String("http://s3.example"), true
		o.HTTPClient = &http.Client{Transport: ststest.InProcess(sts.Protect("s3", "eu-west-1", b))}
	}
	revoke := time.AfterFunc(2*time.Second, func() { sts.Revoke(b.lastUsed()) })
	return func() {
		revoke.Stop()
		sts.Close()
	}
}

const checksum = "X-Amz-Checksum-Crc32"

type object struct {
	body     []byte
	checksum string // of the client, which checks it
}

// bucket keeps objects in memory.
type bucket struct {
	mu      sync.Mutex
	objects map[string]object // by path
	used    string            // the access key ID of the last request
}

func (b *bucket) lastUsed() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller, _ := ststest.CallerFrom(r.Context())
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = caller.AccessKeyID
	got, found := b.objects[r.URL.Path]
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case r.Method == http.MethodPut:
		b.objects[r.URL.Path] = object{body, r.Header.Get(checksum)}
	case r.Method == http.MethodGet && found:
		w.Header().Set(checksum, got.checksum)
		w.Write(got.body)
	default:
		http.NotFound(w, r)
	}
}
