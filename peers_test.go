package stschain_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// What went wrong in other libraries and is tested nowhere else; docs/defects.md
// has all of it.

// A fleet that starts in one minute does not refresh in one minute.
// Peers: smithy-rs#2051, cockroach#169764 (users.md 4.10, 6.6, 6.7; refresh.md A.7.5, A.7.7).
func TestCacheFleetSpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const fleet, life = 400, 12 * time.Hour
		earliest, latest := time.Now().Add(life-75*time.Minute), time.Now().Add(life-60*time.Minute)
		minutes := map[time.Duration]int{}
		for range fleet {
			c := &stschain.Cache{Provider: &source{life: life}}
			requireGet(t, c, "key-1")
			next := c.Status().Next
			require.False(t, next.Before(earliest) || next.After(latest), "%v", next)
			minutes[next.Sub(earliest).Truncate(time.Minute)]++
		}
		require.Greater(t, len(minutes), 10, "a fifteenth in each")
		for minute, caches := range minutes {
			require.Less(t, caches, fleet/5, "%v", minute)
		}
	})
}

// How long credentials live, and with it their window, is counted from when they came,
// not from when they were asked for.
// Peers: the Go SDK's coming cache (refresh.md A.7.3).
func TestCacheLifetimeAtReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{life: 20 * time.Minute, takes: 25 * time.Second}
		c := &stschain.Cache{Provider: src}
		mustGet(t, c)
		require.Equal(t, 5*time.Minute, c.Status().AdvisoryWindow, "20 min are short, 20 min 25 s would not be")
	})
}

// Whoever joins a flight that is about to land leaves nothing behind that keeps the next
// refresh from starting in the background.
// Peers: the Go SDK's coming cache (refresh.md A.7.2).
func TestCacheRefreshesAfterManyJoinedAFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := noJitter(&stschain.Cache{Provider: src})
		requireGet(t, c, "key-1")
		for n := 2; n < 20; n++ {
			src.takes = time.Second
			pass(59 * time.Minute) // mandatory
			var wg sync.WaitGroup
			for i := range 100 {
				wg.Go(func() {
					<-time.After(time.Duration(i) * 10 * time.Millisecond) // the last ones as it lands
					if _, err := c.Retrieve(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			require.Equal(t, n, src.count())

			src.takes = 0
			pass(45 * time.Minute) // advisory
			requireGet(t, c, fmt.Sprintf("key-%d", n))
			synctest.Wait()
			n++
			requireGet(t, c, fmt.Sprintf("key-%d", n))
		}
	})
}

// A chain of which all members fail gives an error and never credentials that are empty, which
// others take for anonymous: a public bucket answers those, and nobody notices.
// Peers: minio-go#2110, minio#18030 (users.md 4.30, 3.2).
func TestChainIsNeverAnonymous(t *testing.T) {
	nothing := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return stschain.Credentials{}, nil })
	for name, chain := range map[string]*stschain.Chain{
		"all fail":          stschain.NewChain(broken, broken),
		"none applies":      stschain.NewChain(notHere, notHere),
		"one says nothing":  stschain.NewChain(notHere, nothing),
		"all say nothing":   stschain.NewChain(nothing, nothing),
		"there is nobody":   stschain.NewChain(),
		"a chain in itself": stschain.NewChain(stschain.NewChain(notHere), stschain.NewChain(nothing)),
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range []stschain.Provider{chain, stschain.Cached(chain)} {
				creds, err := p.Retrieve(t.Context())
				require.Error(t, err)
				require.Zero(t, creds)
			}
		})
	}
}
