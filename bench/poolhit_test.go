package bench_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/bench"
)

var poolKeys = flag.Int("pool.keys", 10_000, "keys of PoolHit and TestPoolBytes")

// poolHits are hits of a Pool, among many keys in random order, and of a map of the same caches under an RWMutex, and of a
// map of the SDK's caches under a mutex, as projects write them by hand. A map without a lock is the floor.
func poolHits(tb testing.TB, names []string) []bench.Loop {
	ctx := context.Background()
	pool := &stschain.Pool[string]{MaxEntries: len(names), New: func(key string) (stschain.Provider, error) {
		return &ourRole{key, stschain.NewSecret(roleToken(key, 800))}, nil
	}}
	byHand := make(map[string]*aws.CredentialsCache)
	for _, name := range names {
		_, err := pool.Retrieve(ctx, name)
		require.NoError(tb, err)
		byHand[name] = aws.NewCredentialsCache(&sdkRole{name, roleToken(name, 800)})
		_, err = byHand[name].Retrieve(ctx)
		require.NoError(tb, err)
	}
	caches := make(map[string]*stschain.Cache)
	for name, cache := range pool.All() {
		caches[name] = cache
	}
	require.Len(tb, caches, len(names))
	var (
		reading sync.RWMutex
		mu      sync.Mutex
		one     = caches[names[0]]
	)
	return []bench.Loop{
		randomKeys(names, "map", func(key string) error { return check(caches[key] != nil, nil) }),
		randomKeys(names, "stschain", func(key string) error { _, err := pool.Retrieve(ctx, key); return err }),
		randomKeys(names, "RWMutex", func(key string) error {
			reading.RLock()
			c := caches[key]
			reading.RUnlock()
			_, err := c.Retrieve(ctx)
			return err
		}),
		randomKeys(names, "aws", func(key string) error {
			mu.Lock()
			c := byHand[key]
			mu.Unlock()
			_, err := c.Retrieve(ctx)
			return err
		}),
		randomKeys(names, "one Cache", func(string) error { _, err := one.Retrieve(ctx); return err }),
	}
}

// randomKeys calls hit with random keys, which differ in each run: those of the run before are in the processor's cache.
// They are not the strings of the maps, and are in memory in the order of the calls, as if each came with a request.
func randomKeys(names []string, impl string, hit func(key string) error) bench.Loop {
	var keys []string
	return bench.Loop{
		Impl: impl,
		Prepare: func(n int) {
			keys = keys[:0]
			for range n {
				keys = append(keys, strings.Clone(names[rand.IntN(len(names))]))
			}
		},
		Run: func(n int) error {
			for _, key := range keys[:n] {
				if err := hit(key); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// TestPoolBytes compares the memory of a key, without its token and its name, with that of the SDK's cache in a map.
func TestPoolBytes(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates for itself")
	}
	names := roleNames(*poolKeys)
	for _, size := range []int{800, 4096} {
		tokens, secrets := make(map[string]string), make(map[string]stschain.Secret)
		for _, name := range names {
			tokens[name] = roleToken(name, size)
			secrets[name] = stschain.NewSecret(tokens[name])
		}
		pool := &stschain.Pool[string]{MaxEntries: len(names), New: func(key string) (stschain.Provider, error) {
			return &ourRole{key, secrets[key]}, nil
		}}
		ours := bytesEach(t, names, func(name string) error { _, err := pool.Retrieve(t.Context(), name); return err })
		byHand := make(map[string]*aws.CredentialsCache)
		sdk := bytesEach(t, names, func(name string) error {
			byHand[name] = aws.NewCredentialsCache(&sdkRole{name, tokens[name]})
			_, err := byHand[name].Retrieve(t.Context())
			return err
		})
		t.Logf("%d keys, tokens of %d bytes: Pool %d bytes a key, aws %d", len(names), size, ours, sdk)
		require.LessOrEqual(t, ours, 1_000)
		runtime.KeepAlive(pool)
		runtime.KeepAlive(byHand)
		runtime.KeepAlive(tokens)
		runtime.KeepAlive(secrets)
	}
}

// bytesEach returns how much the heap grows for a name.
func bytesEach(t *testing.T, names []string, retrieve func(name string) error) int {
	before := heapInUse()
	for _, name := range names {
		require.NoError(t, retrieve(name))
	}
	return (heapInUse() - before) / len(names)
}

func heapInUse() int {
	runtime.GC()
	runtime.GC() // the second frees what the first had finalizers and weak pointers for
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func roleNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("arn:aws:iam::123456789012:role/%06d", i)
	}
	return names
}

func roleToken(name string, size int) string { return name + strings.Repeat("x", size-len(name)) }

// ourRole and sdkRole return credentials of a role, each with a key ID and a secret key of its own.
type ourRole struct {
	name  string
	token stschain.Secret
}

func (r *ourRole) Retrieve(context.Context) (stschain.Credentials, error) {
	creds := ourCredentials(time.Now().Add(duration))
	creds.AccessKeyID, creds.SessionToken = "ASIA"+r.name[len(r.name)-16:], r.token
	creds.SecretAccessKey = stschain.NewSecret(roleToken(r.name, 40))
	return creds, nil
}

type sdkRole struct{ name, token string }

func (r *sdkRole) Retrieve(context.Context) (aws.Credentials, error) {
	creds := sdkCredentials(time.Now().Add(duration))
	creds.AccessKeyID, creds.SessionToken = "ASIA"+r.name[len(r.name)-16:], r.token
	creds.SecretAccessKey = roleToken(r.name, 40)
	return creds, nil
}
