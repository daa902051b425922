package bench_test

import (
	"crypto/sha256"
	"sync"
	"testing"
	"time"

	"github.com/stschain-go/stschain/bench"
)

// comparison is the same work by several implementations. The report and the guard measure it in slices.
type comparison struct {
	name   string
	loops  func(testing.TB) []bench.Loop
	slice  time.Duration
	rounds int  // of the guard, which takes a second for each comparison or less
	inside bool // the work is done in this process, on this goroutine, so that its allocations count
}

// comparisons are all of them. tb ends after them.
func comparisons(tb testing.TB) []comparison {
	of := func(works func(testing.TB) []work) func(testing.TB) []bench.Loop {
		return func(tb testing.TB) []bench.Loop { return loops(works(tb)) }
	}
	processes := sync.OnceValue(func() map[string][]bench.Loop { return coldProcesses(tb) })
	all := []comparison{
		{"CacheHit", func(testing.TB) []bench.Loop { return cacheHits() }, 50 * time.Microsecond, 3000, true},
		{"CacheHitParallel", func(testing.TB) []bench.Loop { return inParallel(cacheHits(), 2) }, 100 * time.Microsecond, 500, false},
		{"PoolHit/goroutines=1", func(tb testing.TB) []bench.Loop { return poolHits(tb, roleNames(*poolKeys)) }, time.Millisecond, 150, true},
		{"PoolHit/goroutines=2", func(tb testing.TB) []bench.Loop { return inParallel(poolHits(tb, roleNames(*poolKeys)), 2) }, time.Millisecond, 150, false},
		{"SHA-256 of 1 kB", func(testing.TB) []bench.Loop {
			return loops([]work{{"sha256", func() error { sha256.Sum256(oneKB); return nil }}})
		}, 50 * time.Microsecond, 3000, true},
		{"SignAssumeRole/keys=static", of(func(tb testing.TB) []work { return signAssumeRole(tb, "") }), 50 * time.Microsecond, 3000, true},
		{"SignAssumeRole/keys=temporary", of(func(tb testing.TB) []work { return signAssumeRole(tb, sessionToken) }), 50 * time.Microsecond, 3000, true},
		{"SignSigV4a", of(signSigV4a), time.Millisecond, 300, true},
		{"PresignGetCallerIdentity/keys=static", of(func(testing.TB) []work { return presignGetCallerIdentity("") }), 50 * time.Microsecond, 3000, true},
		{"PresignGetCallerIdentity/keys=temporary", of(func(testing.TB) []work { return presignGetCallerIdentity(sessionToken) }), 50 * time.Microsecond, 3000, true},
		{"Transport/wire=none", of(func(testing.TB) []work { return overNothing() }), 50 * time.Microsecond, 3000, true},
		{"Transport/wire=loopback", of(overLoopback), time.Millisecond, 300, true},
		{"AssumeRole", of(assumeRole), time.Millisecond, 300, true},
	}
	for _, setting := range coldSettings {
		all = append(all, comparison{
			"ColdProcess/" + setting, func(testing.TB) []bench.Loop { return processes()[setting] }, 1, 30, false, // a process is a slice
		})
	}
	return all
}
