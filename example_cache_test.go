package stschain_test

import (
	"context"
	"fmt"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/stschain-go/stschain"
)

// hourlyKeys returns new credentials for each call, which are valid for an hour.
func hourlyKeys(clk stschain.Clock) stschain.Provider {
	calls := 0
	return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		calls++
		return stschain.Credentials{
			AccessKeyID:     fmt.Sprintf("key-%d", calls),
			SecretAccessKey: stschain.NewSecret("s3cr3t"),
			Expires:         clk.Now().Add(time.Hour),
			Origin:          "sts",
		}, nil
	})
}

// Credentials for what outlives a request, such as a presigned URL, have to be valid long enough.
func ExampleCache() {
	cache := &stschain.Cache{Provider: hourlyKeys(clock.New()), MaxStale: 10 * time.Minute}
	creds, err := cache.Retrieve(context.Background())
	fmt.Println(creds.AccessKeyID, err)
	creds, err = cache.RetrieveFor(context.Background(), 15*time.Minute)
	fmt.Println(creds.AccessKeyID, err)
	_, err = cache.RetrieveFor(context.Background(), 12*time.Hour)
	fmt.Println(err != nil)
	// Output:
	// key-1 <nil>
	// key-1 <nil>
	// true
}

// In a test, the cache gets a clock that the test sets.
func ExampleClock() {
	clk := clock.NewMock()
	cache := &stschain.Cache{Clock: clk, Provider: hourlyKeys(clk)}
	for _, d := range []time.Duration{0, 30 * time.Minute, time.Hour} {
		clk.Add(d)
		creds, err := cache.Retrieve(context.Background())
		fmt.Println(clk.Now().UTC().Format(time.TimeOnly), creds.AccessKeyID, err)
	}
	// Output:
	// 00:00:00 key-1 <nil>
	// 00:30:00 key-1 <nil>
	// 01:30:00 key-2 <nil>
}

// A health check reads the status, which does not call the provider.
func ExampleStatus() {
	cache := &stschain.Cache{Provider: hourlyKeys(clock.New())}
	fmt.Println(cache.Status().Phase)
	cache.Retrieve(context.Background())
	s := cache.Status()
	fmt.Println(s.Phase, s.Origin, s.AccessKeyID, s.Err, s.Attempts)
	// Output:
	// empty
	// fresh sts key-1 <nil> 1
}

// Events report what a cache does. LogEvents writes them to a log.
func ExampleEvent() {
	events := make(chan stschain.Event, 10)
	cache := &stschain.Cache{
		Provider: hourlyKeys(clock.New()),
		OnEvent:  func(e stschain.Event) { events <- e },
	}
	creds, _ := cache.Retrieve(context.Background())
	cache.Invalidate(creds)
	for range 3 {
		e := <-events
		fmt.Println(e.Kind)
	}
	// Output:
	// refresh started
	// refreshed
	// invalidated
}
