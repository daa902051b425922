package stschain_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"runtime"
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
			clk.add(2 * time.Hour) // what was held has expired
			creds, err := cache.Retrieve(t.Context())
			if err != nil {
				continue
			}
			req, err := http.NewRequest("POST", "https://sts.example.com/", nil)
			require.NoError(t, err)
			require.NoError(t, signer.Sign(req, sigv4.PayloadHash(nil), creds, clk.Now()))
		}
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // the second frees what the first had finalizers and weak pointers for
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	refresh(*heapRefreshes / 10)
	before := heap()
	refresh(*heapRefreshes)
	after := heap()
	t.Logf("%d refreshes: %d bytes before, %d after", *heapRefreshes, before, after)
	require.Less(t, after, before+256<<10, "the heap grows")
	require.Equal(t, uint64(serial), cache.Status().Attempts)
}
