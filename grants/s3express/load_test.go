package s3express_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants/s3express"
	"github.com/stschain-go/stschain/sigv4"
)

// express is a service for any number of buckets, which keeps their sessions and verifies only whose they are: package ststest
// verifies signatures, and would take most of the time here.
type express struct {
	mu      sync.Mutex
	created map[string]int // sessions by bucket
	served  atomic.Int64
	wrong   atomic.Int64
}

func (e *express) RoundTrip(r *http.Request) (*http.Response, error) {
	bucket, _, _ := strings.Cut(r.URL.Host, ".")
	body := ""
	if r.URL.RawQuery == "session=" {
		e.mu.Lock()
		e.created[bucket]++
		token := fmt.Sprintf("%s-%d", bucket, e.created[bucket])
		e.mu.Unlock()
		body = fmt.Sprintf("<CreateSessionResult><Credentials><SessionToken>%s</SessionToken><SecretAccessKey>s</SecretAccessKey><AccessKeyId>ASIA%s</AccessKeyId><Expiration>%s</Expiration></Credentials></CreateSessionResult>",
			token, strings.ReplaceAll(token, "-", ""), time.Now().Add(5*time.Minute).UTC().Format(time.RFC3339Nano))
	} else if of, _, _ := strings.Cut(r.Header.Get("X-Amz-S3session-Token"), "--x-s3-"); of+"--x-s3" != bucket {
		e.wrong.Add(1)
	}
	e.served.Add(1)
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (e *express) total() (n int) {
	for _, sessions := range e.created {
		n += sessions
	}
	return n
}

func nameOf(i int) string { return fmt.Sprintf("b%d--usw2-az1--x-s3", i) }

func newExpress(sessions *s3express.Sessions) (*express, *sigv4.Transport) {
	e := &express{created: map[string]int{}}
	sessions.Credentials, sessions.HTTPClient, sessions.LookupEnv = stschain.Static("AKIDEXAMPLE", "secret", ""), &http.Client{Transport: e}, none
	return e, &sigv4.Transport{CredentialsFor: sessions.CredentialsFor, Scope: sessions.Scope, Base: e}
}

// visit sends one request to each bucket.
func visit(t *testing.T, tr *sigv4.Transport, buckets int) {
	for i := range buckets {
		r, err := http.NewRequest("GET", "https://"+s3express.Bucket{Name: nameOf(i), Region: "us-west-2"}.Host()+"/k", nil)
		require.NoError(t, err)
		resp, err := tr.RoundTrip(r)
		require.NoError(t, err)
		resp.Body.Close()
	}
}

// TestTenThousandBuckets: 10,000 buckets through one Transport take one session each at first, and one in five minutes, about, while they
// are used: the first one is renewed in the last three quarters of its life, and later ones in their last minute.
func TestTenThousandBuckets(t *testing.T) {
	buckets := 10_000
	if raceEnabled || testing.Short() {
		buckets = 500
	}
	synctest.Test(t, func(t *testing.T) {
		sessions := &s3express.Sessions{}
		e, tr := newExpress(sessions)
		visit(t, tr, buckets)
		require.Equal(t, buckets, e.total(), "one each")
		require.Len(t, e.created, buckets)
		began := time.Now()
		for time.Since(began) < 10*time.Minute {
			time.Sleep(time.Minute)
			visit(t, tr, buckets)
			synctest.Wait()
			switch at := time.Since(began); {
			case at <= time.Minute:
				require.Equal(t, buckets, e.total(), "at %v", at)
			case at == 5*time.Minute:
				require.Equal(t, 2*buckets, e.total(), "each was renewed once, at %v", at)
			}
		}
		for bucket, n := range e.created { // the first renewal is after 75 s at the earliest, and others are at least 4 minutes later
			require.True(t, n == 3 || n == 4, "%s: %d", bucket, n)
		}
		t.Logf("%d requests for objects, and %.2f sessions a bucket and five minutes", e.served.Load()-int64(e.total()), float64(e.total())/float64(buckets)/2)
		require.Zero(t, e.wrong.Load())
		st := sessions.Pool().Status()
		require.Equal(t, buckets, st.Entries)
		require.Zero(t, st.Evictions)
	})
}

// TestBoundedMemory: no more buckets are kept than MaxBuckets, whatever the number that is used.
func TestBoundedMemory(t *testing.T) {
	buckets, most := 10_000, 400
	if raceEnabled || testing.Short() {
		buckets = 1_500
	}
	synctest.Test(t, func(t *testing.T) {
		sessions := &s3express.Sessions{MaxBuckets: most}
		e, tr := newExpress(sessions)
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		visit(t, tr, most)
		e.created = map[string]int{}
		before := heap()
		visit(t, tr, buckets)
		synctest.Wait()
		st := sessions.Pool().Status()
		require.LessOrEqual(t, st.Entries, most)
		require.LessOrEqual(t, st.New, most/8)
		require.EqualValues(t, 0, e.wrong.Load())
		e.created = nil
		grown := heap() - before
		t.Logf("%d buckets, %d kept, %d bytes more", buckets, st.Entries, grown)
		if !raceEnabled {
			require.Less(t, grown, int64(2<<20), "10,000 sessions of the pool would take more")
		}
		runtime.KeepAlive(tr)
	})
}
