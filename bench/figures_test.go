package bench_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/bench"
)

var (
	figuresFile  = flag.String("figures", "", "file for the figures of TestFigures, in JSON; empty skips it")
	figuresTimes = flag.Int("figures.times", 1, "rounds of TestFigures, as multiple of those of the guard")
)

// TestFigures measures all comparisons for the report.
func TestFigures(t *testing.T) {
	if *figuresFile == "" {
		t.Skip("no -figures")
	}
	file, err := os.OpenFile(*figuresFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(t, err)
	defer file.Close()
	out := json.NewEncoder(file)
	for _, c := range comparisons(t) {
		t.Run(c.name, func(t *testing.T) {
			loops := c.loops(t)
			figures, err := bench.Interleave(loops, c.rounds**figuresTimes, c.slice)
			require.NoError(t, err)
			for i, f := range figures {
				f.Name = c.name
				if c.inside {
					f.Allocs = allocationsOf(t, loops[i])
				}
				t.Logf("%-10s %8.1f ns, median %8.1f, %d allocs", f.Impl, f.Min, f.Median, f.Allocs)
				require.NoError(t, out.Encode(f))
			}
		})
	}
}
