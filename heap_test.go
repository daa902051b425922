package stschain_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

var heapRefreshes = flag.Int("heap.refreshes", 20_000, "how many refreshes TestHeap lives through")

// TestHeap refreshes a cache again and again, signs a request with each of the credentials,
// and looks whether anything stays behind.
//
//	go test -run TestHeap . -heap.refreshes 1000000
func TestHeap(t *testing.T) {
	clk := &simClock{}
	var serial int
	cache := &stschain.Cache{Clock: clk, Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		serial++
		if serial%10 == 0 {
			return stschain.Credentials{}, errDown
		}
		return stschain.Credentials{
			AccessKeyID:     fmt.Sprintf("key-%d", serial),
			SecretAccessKey: stschain.NewSecret(fmt.Sprintf("secret-%d", serial)),
			SessionToken:    stschain.NewSecret(fmt.Sprintf("token-%d", serial)),
			Expires:         clk.Now().Add(time.Hour),
		}, nil
	}), OnEvent: func(stschain.Event) {}}
	signer := &sigv4.Signer{Service: "sts", Region: "eu-west-1"}

	refresh := func(n int) {
		for range n {
			clk.add(2 * time.Hour) // the cached credentials have expired
			creds, err := cache.Retrieve(t.Context())
			if err != nil {
				continue
			}
			req, err := http.NewRequest("POST", "https://sts.example.com/", nil)
			require.NoError(t, err)
			require.NoError(t, signer.Sign(req, sigv4.PayloadHash(nil), creds, clk.Now()))
		}
	}
	refresh(*heapRefreshes / 10)
	before := heapInUse()
	refresh(*heapRefreshes)
	after := heapInUse()
	t.Logf("%d refreshes: %d bytes before, %d after", *heapRefreshes, before, after)
	require.Less(t, after, before+256<<10, "the heap grows")
	require.Equal(t, uint64(serial), cache.Status().Attempts)
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // the second frees what the first had finalizers and weak pointers for
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// tenant is a small provider.
type tenant struct{ creds stschain.Credentials }

func (t *tenant) Retrieve(context.Context) (stschain.Credentials, error) { return t.creds, nil }

// TestHeapOfCache bounds the memory of a cache, without its token: a gateway has one for each tenant.
func TestHeapOfCache(t *testing.T) {
	const caches, most = 20_000, 860
	tokens, all := make([]stschain.Secret, caches), make([]*stschain.Cache, caches)
	for i := range tokens {
		tokens[i] = stschain.NewSecret(strings.Repeat("t", 800-5) + fmt.Sprintf("%05d", i))
	}
	before := heapInUse()
	for i := range all {
		all[i] = &stschain.Cache{Provider: &tenant{stschain.Credentials{
			AccessKeyID:     fmt.Sprintf("ASIA%016d", i),
			SecretAccessKey: stschain.NewSecret(fmt.Sprintf("%040d", i)),
			SessionToken:    tokens[i],
			Expires:         time.Now().Add(time.Hour),
			AccountID:       "123456789012",
			Origin:          "tenant",
		}}}
		_, err := all[i].Retrieve(t.Context())
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return !slices.ContainsFunc(all, func(c *stschain.Cache) bool { return !c.Idle() }) }, 10*time.Second, time.Millisecond)
	each := (heapInUse() - before) / caches
	t.Logf("%d bytes for a cache and its provider, without the token", each)
	require.LessOrEqual(t, each, uint64(most))
	runtime.KeepAlive(all)
	runtime.KeepAlive(tokens)
}
