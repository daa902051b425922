package stschain_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

var poolDays = flag.Int("sim.pooldays", 3, "virtual days of TestPoolSimulation")

// TestPoolSimulation drives a pool of 200 keys, with room for 120, through days of faults, rejections,
// evictions and Forget. A caller never gets another key's credentials, expired ones, or ones from before
// its key was forgotten, and no more refreshes are in flight than allowed. When the faults end, every key
// has fresh credentials.
func TestPoolSimulation(t *testing.T) {
	for seed := range *poolDays {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newPoolDay(t, uint64(seed)).run() })
		})
	}
}

const poolDayKeys = 200

type poolDay struct {
	t    *testing.T
	rnd  *rand.Rand
	pool stschain.Pool[int]

	mu        sync.Mutex
	faults    [poolDayKeys]string
	forgotten [poolDayKeys]time.Time
	calls     int
	inFlight  int // within their Timeout
	providers map[int]stschain.CachedProvider
}

func newPoolDay(t *testing.T, seed uint64) *poolDay {
	d := &poolDay{t: t, rnd: rand.New(rand.NewPCG(seed, 14)), providers: map[int]stschain.CachedProvider{}}
	d.pool = stschain.Pool[int]{
		MaxEntries: 120, MaxInFlight: 8,
		New: func(key int) (stschain.Provider, error) {
			if d.faultOf(key) == "new" {
				return nil, errors.New("no provider today")
			}
			return stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) { return d.retrieve(ctx, key) }), nil
		},
	}
	for key := range poolDayKeys {
		d.providers[key] = d.pool.Provider(key)
	}
	return d
}

func (d *poolDay) faultOf(key int) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.faults[key]
}

func (d *poolDay) random(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rnd.IntN(n)
}

// retrieve is the source of a key. Credentials have their key and the time of their call as key ID.
func (d *poolDay) retrieve(ctx context.Context, key int) (creds stschain.Credentials, err error) {
	began := time.Now()
	d.mu.Lock()
	d.calls++
	if d.inFlight++; d.inFlight > 8 {
		d.t.Errorf("%d refreshes in flight", d.inFlight)
	}
	d.mu.Unlock()
	left := sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.inFlight--
	})
	defer left()
	defer context.AfterFunc(ctx, left)() // it may have waited for its slot for most of its Timeout
	switch d.faultOf(key) {
	case "hangs":
		<-ctx.Done()
		<-time.After(time.Duration(d.random(600)) * time.Second)
		return creds, ctx.Err()
	case "slow":
		<-time.After(20 * time.Second)
	case "down":
		return creds, errors.New("503")
	case "throttled":
		return creds, fmt.Errorf("429: %w", stschain.ErrThrottled)
	case "refused":
		return creds, stschain.Permanent(errors.New("AccessDenied"))
	case "unavailable":
		return creds, stschain.Unavailable("no role")
	case "panics":
		panic("fault")
	}
	<-time.After(time.Duration(d.random(2000)) * time.Millisecond)
	lifetime := time.Duration(15+d.random(46)) * time.Minute
	return stschain.Credentials{
		AccessKeyID:     fmt.Sprintf("AKIA/%d/%s", key, began.Format(time.RFC3339Nano)),
		SecretAccessKey: stschain.NewSecret("s"),
		SessionToken:    stschain.NewSecret("t"),
		Expires:         time.Now().Add(lifetime),
	}, nil
}

// call is one caller's. It reports whether it got credentials.
func (d *poolDay) call(key int, wait time.Duration) bool {
	ctx, cancel := context.WithTimeout(d.t.Context(), wait)
	defer cancel()
	d.mu.Lock()
	forgotten := d.forgotten[key]
	d.mu.Unlock()
	began := time.Now()
	creds, err := d.providers[key].Retrieve(ctx)
	if err != nil {
		if stschain.IsUnavailable(err) {
			d.t.Errorf("key %d: %v", key, err)
		}
		return false
	}
	rest, of := strings.CutPrefix(creds.AccessKeyID, fmt.Sprintf("AKIA/%d/", key))
	at, parsed := time.Parse(time.RFC3339Nano, rest)
	switch {
	case !of || parsed != nil:
		d.t.Errorf("key %d got %s", key, creds.AccessKeyID)
	case !time.Now().Before(creds.Expires):
		d.t.Errorf("key %d got credentials that expired %v ago", key, time.Since(creds.Expires))
	case at.Before(forgotten):
		d.t.Errorf("key %d got credentials of %v at %v, forgotten at %v", key, at, began, forgotten)
	}
	if d.random(500) == 0 {
		d.providers[key].Invalidate(creds)
	}
	return true
}

func (d *poolDay) run() {
	faults := []string{"", "", "", "", "hangs", "slow", "down", "throttled", "refused", "unavailable", "panics", "new"}
	var callers sync.WaitGroup
	for range 24 * 60 {
		for range 20 {
			key := d.random(poolDayKeys)
			if d.random(3) > 0 {
				key /= 4 // some are popular
			}
			switch d.random(40) {
			case 0:
				d.mu.Lock()
				d.faults[key] = faults[d.rnd.IntN(len(faults))]
				d.mu.Unlock()
			case 1:
				d.pool.Forget(key)
				d.mu.Lock()
				d.forgotten[key] = time.Now()
				d.mu.Unlock()
			default:
				callers.Go(func() { d.call(key, time.Duration(1+d.random(60))*time.Second) })
			}
		}
		<-time.After(time.Duration(d.random(120)) * time.Second)
	}
	callers.Wait()
	clear(d.faults[:])
	<-time.After(20 * time.Minute) // what hangs has returned, what is remembered is over
	for key := range 100 {
		for range 3 {
			if d.call(key, time.Minute) {
				break
			}
			<-time.After(2 * time.Minute)
		}
		require.True(d.t, d.call(key, time.Minute), "key %d", key)
	}
	st := d.pool.Status()
	require.Zero(d.t, st.Waiting)
	require.LessOrEqual(d.t, st.Entries, 120)
	require.Positive(d.t, st.Evictions)
	n := 0
	for range d.pool.All() {
		n++
	}
	require.Equal(d.t, st.Entries+st.New, n)
	<-time.After(time.Hour)
}
