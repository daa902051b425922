package bench_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stschain-go/stschain"
)

// BenchmarkCacheHit is what a call costs whose credentials are fresh. The loops
// are written out, since a call through a function value would be seen.
func BenchmarkCacheHit(b *testing.B) {
	b.Run("impl=time.Now", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = time.Now()
		}
	})
	b.Run("impl=stschain", func(b *testing.B) {
		c := stschain.Cached(ourSource())
		ctx := b.Context()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Retrieve(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("impl=aws", func(b *testing.B) {
		c := aws.NewCredentialsCache(sdkSource())
		ctx := b.Context()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Retrieve(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("impl=minio", func(b *testing.B) {
		c := miniocreds.New(&minioSource{})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.GetWithContext(nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCacheHitParallel is the same on all cores; see -cpu.
func BenchmarkCacheHitParallel(b *testing.B) {
	b.Run("impl=time.Now", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_ = time.Now()
			}
		})
	})
	b.Run("impl=stschain", func(b *testing.B) {
		c := stschain.Cached(ourSource())
		ctx := b.Context()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := c.Retrieve(ctx); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("impl=aws", func(b *testing.B) {
		c := aws.NewCredentialsCache(sdkSource())
		ctx := b.Context()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := c.Retrieve(ctx); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("impl=minio", func(b *testing.B) {
		c := miniocreds.New(&minioSource{})
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := c.GetWithContext(nil); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
