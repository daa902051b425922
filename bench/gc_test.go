//go:build unix

package bench_test

import (
	"context"
	"flag"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

var (
	gcKeys   = flag.Int("gc.keys", 10_000, "roles of TestGarbageCollection")
	gcRounds = flag.Int("gc.rounds", 5, "collections that TestGarbageCollection takes the minimum of")
)

// TestGarbageCollection compares the CPU time of one garbage collection while a program keeps the credentials
// of many roles in a Pool, in a map of Caches, and in a map of the SDK's caches, with tokens of 800 bytes.
//
//	go test -run TestGarbageCollection -v . -gc.keys 100000 -gc.rounds 30
//
// Objects and the bytes that a collection looks at for pointers do not depend on the machine, and are bounded. Times are
// minima: whatever else the machine does only adds to them. README.md has their goals.
func TestGarbageCollection(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector changes what is measured")
	}
	names := roleNames(*gcKeys)
	for _, tt := range []struct {
		impl          string
		objects, scan int // at most, for a role
		build         func(t *testing.T, names []string) any
	}{
		{"Pool", 19, 900, poolOfRoles},
		{"Cache", 19, 790, cachesOfRoles},
		{"aws", 10, 600, sdkCachesOfRoles},
	} {
		t.Run(tt.impl, func(t *testing.T) {
			idle := collect(t, 1)
			all := tt.build(t, names)
			c := collect(t, *gcRounds)
			each := func(total, idle uint64) int { return (int(total) - int(idle)) / len(names) }
			objects, scan := each(c.objects, idle.objects), each(c.scan, idle.scan)
			t.Logf("%d roles: %d ms of CPU; a role has %d objects, and %d bytes of which %d are scanned", len(names),
				c.cpu.Milliseconds(), objects, each(c.bytes, idle.bytes), scan)
			require.LessOrEqual(t, objects, tt.objects)
			require.LessOrEqual(t, scan, tt.scan)
			runtime.KeepAlive(all)
		})
	}
	runtime.KeepAlive(names)
}

// collection is what one garbage collection takes, and the heap after it.
type collection struct {
	cpu                  time.Duration
	objects, bytes, scan uint64
}

// collect collects several times. The CPU time is the least of them, with the marking that idle processors do.
func collect(t *testing.T, rounds int) collection {
	heap := func() (m runtime.MemStats) { runtime.GC(); runtime.ReadMemStats(&m); return m }
	m := heap()
	for before := m.HeapObjects + 1; m.HeapObjects < before; m = heap() { // values that are unique are freed in steps
		before = m.HeapObjects
		runtime.Gosched()
	}
	var best collection
	for range rounds {
		before := used(t)
		runtime.GC()
		if cpu := used(t) - before; best.cpu == 0 || cpu < best.cpu {
			best.cpu = cpu
		}
	}
	scan := []metrics.Sample{{Name: "/gc/scan/heap:bytes"}}
	metrics.Read(scan)
	m = heap()
	best.objects, best.bytes, best.scan = m.HeapObjects, m.HeapAlloc, scan[0].Value.Uint64()
	return best
}

func poolOfRoles(t *testing.T, names []string) any {
	pool := &stschain.Pool[string]{MaxEntries: len(names), New: func(key string) (stschain.Provider, error) { return ourTenant(key), nil }}
	for _, name := range names {
		_, err := pool.Retrieve(t.Context(), name)
		require.NoError(t, err)
	}
	return pool
}

func cachesOfRoles(t *testing.T, names []string) any {
	caches := make(map[string]*stschain.Cache)
	for _, name := range names {
		caches[name] = &stschain.Cache{Provider: ourTenant(name)}
		_, err := caches[name].Retrieve(t.Context())
		require.NoError(t, err)
	}
	return caches
}

func sdkCachesOfRoles(t *testing.T, names []string) any {
	caches := make(map[string]*aws.CredentialsCache)
	for _, name := range names {
		caches[name] = aws.NewCredentialsCache(sdkTenant(name))
		_, err := caches[name].Retrieve(t.Context())
		require.NoError(t, err)
	}
	return caches
}

// ourTenant and sdkTenant are providers of a role.
type ourTenant string

func (p ourTenant) Retrieve(context.Context) (stschain.Credentials, error) {
	name := string(p)
	creds := ourCredentials(time.Now().Add(duration))
	creds.AccessKeyID = "ASIA" + name[len(name)-16:]
	creds.SecretAccessKey, creds.SessionToken = stschain.NewSecret(roleToken(name, 40)), stschain.NewSecret(roleToken(name, 800))
	return creds, nil
}

type sdkTenant string

func (p sdkTenant) Retrieve(context.Context) (aws.Credentials, error) {
	name := string(p)
	creds := sdkCredentials(time.Now().Add(duration))
	creds.AccessKeyID = "ASIA" + name[len(name)-16:]
	creds.SecretAccessKey, creds.SessionToken = roleToken(name, 40), roleToken(name, 800)
	return creds, nil
}
