package bench_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/bench"
)

// BenchmarkCacheHit is what a call costs whose credentials are fresh.
func BenchmarkCacheHit(b *testing.B) { compareLoops(b, cacheHits()) }

// BenchmarkCacheHitParallel is the same on all cores; see -cpu.
func BenchmarkCacheHitParallel(b *testing.B) {
	compareLoops(b, inParallel(cacheHits(), runtime.GOMAXPROCS(0)))
}

// cacheHits writes the loops out: a call through a function value would take a noticeable part of the time.
func cacheHits() []bench.Loop {
	ctx := context.Background()
	ours, sdk, minio := stschain.Cached(ourSource()), aws.NewCredentialsCache(sdkSource()), miniocreds.New(&minioSource{})
	return []bench.Loop{
		{Impl: "time.Now", Run: func(n int) error {
			for range n {
				_ = time.Now()
			}
			return nil
		}},
		{Impl: "stschain", Run: func(n int) error {
			for range n {
				if _, err := ours.Retrieve(ctx); err != nil {
					return err
				}
			}
			return nil
		}},
		{Impl: "aws", Run: func(n int) error {
			for range n {
				if _, err := sdk.Retrieve(ctx); err != nil {
					return err
				}
			}
			return nil
		}},
		{Impl: "minio", Run: func(n int) error {
			for range n {
				if _, err := minio.GetWithContext(nil); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

// inParallel runs each loop on several goroutines at once. A call then takes as long as it does for one of them.
func inParallel(loops []bench.Loop, goroutines int) []bench.Loop {
	for i, l := range loops {
		loops[i].Run = func(n int) error {
			var all sync.WaitGroup
			errs := make([]error, goroutines)
			for g := range goroutines {
				all.Go(func() { errs[g] = l.Run(n) })
			}
			all.Wait()
			return errors.Join(errs...)
		}
	}
	return loops
}
