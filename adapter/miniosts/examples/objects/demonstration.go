package main

import (
	"crypto/md5"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// demonstration makes the setting of a fake STS and a bucket that verifies
// signatures, in this process. STS itself gives sessions 15 minutes at least;
// these live for six seconds, and the first one is revoked after two.
func demonstration(s *setting) (stop func()) {
	sts := ststest.New()
	sts.Lifetime = 6 * time.Second
	b := &bucket{objects: map[string]object{}}

	s.bucket = "bucket"
	s.roleARN = "arn:aws:iam::123456789012:role/example"
	s.advisoryWindow = 3 * time.Second
	s.sts = stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client()}
	s.host, s.secure, s.region = "s3.example", true, "eu-west-1"
	s.transport = ststest.InProcess(sts.Protect("s3", "eu-west-1", b))
	revoke := time.AfterFunc(2*time.Second, func() { sts.Revoke(b.lastUsed()) })
	return func() {
		revoke.Stop()
		sts.Close()
	}
}

type object struct {
	body     []byte
	modified time.Time
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
		got = object{body, time.Now().UTC()}
		b.objects[r.URL.Path] = got
		describe(w, got)
	case r.Method == http.MethodGet && found:
		describe(w, got)
		w.Header().Set("Content-Length", strconv.Itoa(len(got.body)))
		w.Write(got.body)
	default:
		http.NotFound(w, r)
	}
}

// describe says what S3 says of an object.
func describe(w http.ResponseWriter, o object) {
	sum := md5.Sum(o.body)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
	w.Header().Set("Last-Modified", o.modified.Format(http.TimeFormat))
}
