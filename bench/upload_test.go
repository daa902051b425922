package bench_test

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkUploadGiB sends a file of 1 GiB. peak-B is the largest heap that was
// seen beyond what there was before; B/op is all that was allocated.
func BenchmarkUploadGiB(b *testing.B) {
	for _, w := range uploads(b, 1<<30) {
		b.Run("impl="+w.impl, func(b *testing.B) {
			b.ReportAllocs()
			runtime.GC()
			before := heap()
			stop := make(chan struct{})
			peak := make(chan uint64)
			go func() {
				highest := before
				for tick := time.Tick(time.Millisecond); ; {
					select {
					case <-tick:
						highest = max(highest, heap())
					case <-stop:
						peak <- highest - before
						return
					}
				}
			}()
			for b.Loop() {
				if err := w.do(); err != nil {
					b.Fatal(err)
				}
			}
			close(stop)
			b.ReportMetric(float64(<-peak), "peak-B")
		})
	}
}

// heap is what objects take, including unused ones that are not swept yet.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// uploads send a sparse file of a size, plain and signed.
func uploads(tb testing.TB, size int64) []work {
	path := filepath.Join(tb.TempDir(), "sparse")
	file, err := os.Create(path)
	require.NoError(tb, err)
	require.NoError(tb, file.Truncate(size))
	require.NoError(tb, file.Close())

	url := serve(tb, "{}") + "/bucket/key"
	base := &http.Transport{}
	tb.Cleanup(base.CloseIdleConnections)
	put := func(rt http.RoundTripper) func() error {
		client := &http.Client{Transport: rt}
		return func() error {
			body, err := os.Open(path)
			if err != nil {
				return err
			}
			req, err := http.NewRequest(http.MethodPut, url, body)
			if err != nil {
				return err
			}
			req.ContentLength = size
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			return check(resp.StatusCode == http.StatusOK, nil)
		}
	}
	return []work{
		{"plain", put(base)},
		{"stschain", put(signing(base))},
	}
}

// TestUploadInConstantMemory: what a body of 64 MiB costs is a few buffers.
func TestUploadInConstantMemory(t *testing.T) {
	for _, w := range uploads(t, 64<<20) {
		if w.impl != "stschain" {
			continue
		}
		require.NoError(t, w.do()) // and the connection is there
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.NoError(t, w.do())
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "bytes allocated")
	}
}
