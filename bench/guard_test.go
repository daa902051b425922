package bench_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/bench"
)

const guardAttempts = 3 // a busy machine slows down one implementation more than another, now and then

// TestGuard compares what stschain costs with the table in expected.go.
func TestGuard(t *testing.T) {
	if raceDetector || testing.Short() {
		t.Skip("the race detector changes what is measured")
	}
	all := map[string]comparison{}
	for _, c := range comparisons(t) {
		all[c.name] = c
	}
	for _, want := range bench.Expected {
		t.Run(want.Name, func(t *testing.T) {
			c, ok := all[want.Name]
			require.True(t, ok, "no such comparison")
			loops := slices.DeleteFunc(c.loops(t), func(l bench.Loop) bool {
				return l.Impl != "stschain" && l.Impl != want.Floor && l.Impl != want.Base
			})
			if c.inside {
				guardAllocations(t, loops, want)
			}
			guardRatio(t, c, loops, want)
		})
	}
}

func guardAllocations(t *testing.T, loops []bench.Loop, want bench.Expectation) {
	if !strings.HasPrefix(runtime.Version(), bench.ExpectedWith) {
		t.Logf("%s: allocations are those of %s", runtime.Version(), bench.ExpectedWith)
		return
	}
	var got int
	for range guardAttempts {
		counts := map[string]int{}
		for _, l := range loops {
			counts[l.Impl] = allocationsOf(t, l)
		}
		if got = counts["stschain"] - counts[want.Base]; got == want.Allocs {
			return
		}
	}
	t.Errorf("%d allocations, want %d: if the change is worth it, edit expected.go", got, want.Allocs)
}

// guardRatio measures again, and longer, before it fails. The minima are those of all attempts.
func guardRatio(t *testing.T, c comparison, loops []bench.Loop, want bench.Expectation) {
	least := map[string]float64{}
	var got float64
	for attempt := range guardAttempts {
		figures, err := bench.Interleave(loops, c.rounds<<attempt, c.slice)
		require.NoError(t, err)
		for _, f := range figures {
			if before, ok := least[f.Impl]; !ok || f.Min < before {
				least[f.Impl] = f.Min
			}
		}
		base := least[want.Base]
		got = (least["stschain"] - base) / (least[want.Floor] - base)
		t.Logf("%.2f x %s, expected %.2f: %v ns", got, want.Floor, want.Ratio, least)
		if got <= want.Ratio*bench.Slack {
			return
		}
	}
	t.Errorf("%.2f times %s, want %.2f and at most %.1f times that: if the change is worth it, edit expected.go",
		got, want.Floor, want.Ratio, bench.Slack)
}
