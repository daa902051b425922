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

// demonstration configures a fake STS and a bucket that verifies signatures.
// Sessions of STS are valid for at least 15 minutes; these are valid for six
// seconds, and the first one is revoked.
func demonstration(s *setting) (stop func()) {
	sts := ststest.New()
	sts.Lifetime = 6 * time.Second
	s.sts = stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client()}
	s.roleARN, s.revoke, s.advisoryWindow = "arn:aws:iam::123456789012:role/example", sts.Revoke, 3*time.Second
	s.bucket, s.host, s.secure, s.region = "bucket", "s3.example", true, "eu-west-1"
	s.transport = ststest.InProcess(sts.Protect("s3", "eu-west-1", new(bucket)))
	return func() { sts.Close() }
}

// bucket keeps objects in memory, by path.
type bucket struct{ objects sync.Map }

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		b.objects.Store(r.URL.Path, body)
	}
	object, ok := b.objects.Load(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	body := object.([]byte)
	sum := md5.Sum(body)
	w.Header().Set("ETag", strconv.Quote(hex.EncodeToString(sum[:])))
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	}
}
