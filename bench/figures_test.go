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
	figuresFile  = flag.String("figures", "", "`file` that the figures of tests are appended to, in JSON; TestFigures needs it")
	figuresTimes = flag.Int("figures.times", 1, "rounds of TestFigures, as a multiple of those of the guard; 0: one")
)

// TestFigures measures all comparisons for the report.
func TestFigures(t *testing.T) {
	if *figuresFile == "" {
		t.Skip("no -figures")
	}
	for _, c := range comparisons(t) {
		t.Run(c.name, func(t *testing.T) {
			loops := c.loops(t)
			figures, err := bench.Interleave(loops, max(c.rounds**figuresTimes, 1), c.slice)
			require.NoError(t, err)
			for i := range figures {
				figures[i].Name = c.name
				if c.inside {
					figures[i].Allocs = allocationsOf(t, loops[i])
				}
			}
			record(t, figures)
		})
	}
}

// record logs figures, and appends them to the file of -figures.
func record(t *testing.T, figures []bench.Figure) {
	t.Helper()
	for _, f := range figures {
		t.Logf("%-10s %10.1f ns, median %10.1f, %d allocs", f.Impl, f.Min, f.Median, f.Allocs)
	}
	if *figuresFile == "" {
		return
	}
	file, err := os.OpenFile(*figuresFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(t, err)
	defer file.Close()
	out := json.NewEncoder(file)
	for _, f := range figures {
		require.NoError(t, out.Encode(f))
	}
}
