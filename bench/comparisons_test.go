package bench_test

import (
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
	rounds int // of the guard, which takes a second for each comparison or less
}

// comparisons are all of them. tb ends after them.
func comparisons(tb testing.TB) []comparison {
	of := func(works func(testing.TB) []work) func(testing.TB) []bench.Loop {
		return func(tb testing.TB) []bench.Loop { return loops(works(tb)) }
	}
	processes := sync.OnceValue(func() map[string][]bench.Loop { return coldProcesses(tb) })
	all := []comparison{
		{"CacheHit", func(testing.TB) []bench.Loop { return cacheHits() }, 50 * time.Microsecond, 1000},
		{"CacheHitParallel", func(testing.TB) []bench.Loop { return inParallel(cacheHits(), 2) }, 100 * time.Microsecond, 500},
		{"SignAssumeRole/keys=static", of(func(tb testing.TB) []work { return signAssumeRole(tb, "") }), 100 * time.Microsecond, 500},
		{"SignAssumeRole/keys=temporary", of(func(tb testing.TB) []work { return signAssumeRole(tb, sessionToken) }), 100 * time.Microsecond, 500},
		{"PresignGetCallerIdentity/keys=static", of(func(testing.TB) []work { return presignGetCallerIdentity("") }), 100 * time.Microsecond, 500},
		{"PresignGetCallerIdentity/keys=temporary", of(func(testing.TB) []work { return presignGetCallerIdentity(sessionToken) }), 100 * time.Microsecond, 500},
		{"Transport/wire=none", of(func(testing.TB) []work { return overNothing() }), 100 * time.Microsecond, 500},
		{"Transport/wire=loopback", of(overLoopback), time.Millisecond, 300},
		{"AssumeRole", of(assumeRole), time.Millisecond, 300},
	}
	for _, setting := range coldSettings {
		all = append(all, comparison{
			"ColdProcess/" + setting, func(testing.TB) []bench.Loop { return processes()[setting] }, 1, 30, // a process is a slice
		})
	}
	return all
}
