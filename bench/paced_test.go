package bench_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/stschain-go/stschain"
)

// The trial of BenchmarkPacedCallers.
const (
	pacedCallers  = 64
	pacedInterval = time.Millisecond
	pacedLifetime = 2500 * time.Millisecond
	pacedWindow   = time.Second // for the SDK's ExpiryWindow
	pacedSource   = 200 * time.Millisecond
	pacedLength   = 3 * pacedLifetime
)

// BenchmarkPacedCallers is what callers see while credentials are refreshed: 64
// of them call once a millisecond each, over three lifetimes, and the source takes
// 200 ms. The load is open: a call that was due while the one before still waited
// counts from when it was due. One run is the whole trial, which takes 7.5 s.
//
// impl=none calls nothing. It is the noise of the machine.
func BenchmarkPacedCallers(b *testing.B) {
	for _, cache := range []struct {
		impl  string
		fresh func() func(context.Context) error
	}{
		{"none", func() func(context.Context) error {
			return func(context.Context) error { return nil }
		}},
		{"stschain", func() func(context.Context) error {
			c := stschain.Cached(stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
				time.Sleep(pacedSource)
				return ourCredentials(time.Now().Add(pacedLifetime)), nil
			}))
			return func(ctx context.Context) error { _, err := c.Retrieve(ctx); return err }
		}},
		{"aws", func() func(context.Context) error { return pacedSDK(0) }},
		{"aws-window", func() func(context.Context) error { return pacedSDK(pacedWindow) }},
	} {
		b.Run("impl="+cache.impl, func(b *testing.B) {
			for range b.N {
				call := cache.fresh()
				if err := call(b.Context()); err != nil { // the first credentials are no refresh
					b.Fatal(err)
				}
				late := paced(b, call)
				for name, share := range map[string]float64{"p50-ns": .5, "p99-ns": .99, "p99.99-ns": .9999, "max-ns": 1} {
					b.ReportMetric(float64(late[int(share*float64(len(late)-1))]), name)
				}
				b.ReportMetric(float64(len(late)), "calls")
			}
			b.ReportMetric(0, "ns/op") // leaves it out: it is the length of the trial
		})
	}
}

func pacedSDK(window time.Duration) func(context.Context) error {
	c := aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		time.Sleep(pacedSource)
		return sdkCredentials(time.Now().Add(pacedLifetime)), nil
	}), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = window })
	return func(ctx context.Context) error { _, err := c.Retrieve(ctx); return err }
}

// paced runs the trial and returns how late every call returned, sorted.
func paced(b *testing.B, call func(context.Context) error) []time.Duration {
	var (
		callers sync.WaitGroup
		all     [pacedCallers][]time.Duration
		start   = time.Now()
	)
	for i := range all {
		all[i] = make([]time.Duration, 0, pacedLength/pacedInterval)
		callers.Go(func() {
			due := pacedInterval * time.Duration(i) / pacedCallers // they do not march in step
			for returned := time.Duration(0); due < pacedLength; due += pacedInterval {
				time.Sleep(due - time.Since(start))
				if returned <= due {
					due = time.Since(start) // a timer that is late is not the cache's fault
				}
				if err := call(b.Context()); err != nil {
					b.Error(err)
				}
				returned = time.Since(start)
				all[i] = append(all[i], returned-due)
			}
		})
	}
	callers.Wait()
	return slices.Sorted(func(yield func(time.Duration) bool) {
		for _, late := range all {
			for _, d := range late {
				if !yield(d) {
					return
				}
			}
		}
	})
}
