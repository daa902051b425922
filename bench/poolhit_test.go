package bench_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

var (
	poolKeys   = flag.Int("pool.keys", 10_000, "keys of TestPoolHit and TestPoolBytes")
	poolRounds = flag.Int("pool.rounds", 60, "rounds of TestPoolHit")
)

// TestPoolHit compares a hit of a Pool, among many keys in random order, with a map of the same caches
// under an RWMutex, and with a map of the SDK's caches under a mutex, as projects write it by hand.
//
//	go test -run TestPoolHit -v . -pool.keys 100000 -pool.rounds 300
//
// In each round every implementation makes a short run, in random order, so that a busy machine slows down all
// of them. Each has calls of its own: two of them use the same caches, and the second would find them in
// the processor's cache. The minima are compared. Their bounds leave room for noise; README.md has the goals.
func TestPoolHit(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector changes what is measured")
	}
	names := roleNames(*poolKeys)
	works := poolWorks(t, names)
	for goroutines := 1; goroutines <= min(2, runtime.GOMAXPROCS(0)); goroutines++ {
		taken := make([][]time.Duration, len(works))
		for range *poolRounds {
			for _, i := range rand.Perm(len(works)) {
				taken[i] = append(taken[i], hits(t, randomCalls(names, goroutines), works[i].hit))
			}
		}
		best := map[string]float64{}
		for i, w := range works {
			slices.Sort(taken[i])
			best[w.impl] = float64(taken[i][0])
			t.Logf("%d keys, %d goroutines: %-10s %4d ns, median %4d", len(names), goroutines, w.impl, taken[i][0], taken[i][len(taken[i])/2])
		}
		require.Less(t, best["Pool"], 2*best["RWMutex"])
		require.Less(t, best["Pool"], 2.5*best["aws"])
	}
}

type poolWork struct {
	impl string
	hit  func(key string) error
}

func poolWorks(t *testing.T, names []string) []poolWork {
	ctx := t.Context()
	pool := &stschain.Pool[string]{MaxEntries: len(names), New: func(key string) (stschain.Provider, error) {
		return &ourRole{key, stschain.NewSecret(roleToken(key, 800))}, nil
	}}
	byHand := make(map[string]*aws.CredentialsCache)
	for _, name := range names {
		_, err := pool.Retrieve(ctx, name)
		require.NoError(t, err)
		byHand[name] = aws.NewCredentialsCache(&sdkRole{name, roleToken(name, 800)})
		_, err = byHand[name].Retrieve(ctx)
		require.NoError(t, err)
	}
	caches := make(map[string]*stschain.Cache)
	for name, cache := range pool.All() {
		caches[name] = cache
	}
	require.Len(t, caches, len(names))
	var (
		reading sync.RWMutex
		mu      sync.Mutex
		one     = caches[names[0]]
	)
	return []poolWork{
		{"Pool", func(key string) error { _, err := pool.Retrieve(ctx, key); return err }},
		{"RWMutex", func(key string) error {
			reading.RLock()
			c := caches[key]
			reading.RUnlock()
			_, err := c.Retrieve(ctx)
			return err
		}},
		{"aws", func(key string) error {
			mu.Lock()
			c := byHand[key]
			mu.Unlock()
			_, err := c.Retrieve(ctx)
			return err
		}},
		{"one Cache", func(string) error { _, err := one.Retrieve(ctx); return err }},
	}
}

// randomCalls are keys for each goroutine. They are not the strings of the maps, and are in memory in the
// order of the calls, as if each came with a request.
func randomCalls(names []string, goroutines int) [][]string {
	calls := make([][]string, goroutines)
	for g := range calls {
		for range 5_000 {
			calls[g] = append(calls[g], strings.Clone(names[rand.IntN(len(names))]))
		}
	}
	return calls
}

// hits returns the time that a call takes.
func hits(t *testing.T, calls [][]string, hit func(string) error) time.Duration {
	var all sync.WaitGroup
	began := time.Now()
	for _, keys := range calls {
		all.Go(func() {
			for _, key := range keys {
				if err := hit(key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	return time.Since(began) / time.Duration(len(calls[0]))
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
