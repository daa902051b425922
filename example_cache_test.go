package stschain_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
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

// A pool writes its events to a log, with the text of a key that has no secret.
func ExampleLogPoolEvents() {
	type tenant struct{ name, externalID string }
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "expires" || a.Key == "next" || a.Key == "took" {
				return slog.Attr{} // they differ in each run of this example
			}
			return a
		},
	}))
	forgotten := make(chan bool)
	pool := &stschain.Pool[tenant]{
		New: func(tenant) (stschain.Provider, error) { return hourlyKeys(clock.New()), nil },
		OnEvent: stschain.CombineEvents( // called later, on a goroutine of the pool
			stschain.LogPoolEvents(log, func(t tenant) string { return t.name }),
			func(e stschain.PoolEvent[tenant]) {
				if e.Kind == stschain.Forgotten {
					close(forgotten)
				}
			},
		),
	}
	customer := tenant{"customer-1", "s3cr3t"}
	if _, err := pool.Retrieve(context.Background(), customer); err != nil {
		fmt.Println(err)
	}
	pool.Forget(customer)
	<-forgotten
	// Output:
	// level=INFO msg="aws credentials refreshed" key=customer-1 origin=sts
	// level=INFO msg="aws credentials forgotten" key=customer-1 origin=sts
}
