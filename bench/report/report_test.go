package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/bench"
)

const goTestOutput = `goos: linux
cpu: Some CPU @ 2.50GHz
BenchmarkPacedCallers/impl=aws-window-2   	       1	    420532 calls	 203525429 max-ns	     211.5 p50-ns
--- BENCH: BenchmarkPacedCallers
BenchmarkCut
PASS
`

func TestParse(t *testing.T) {
	require.Equal(t, round{
		"PacedCallers/impl=aws-window-2": {"calls": 420532, "max-ns": 203525429, "p50-ns": 211.5},
	}, parse(strings.NewReader(goTestOutput)))
}

func FuzzParse(f *testing.F) {
	f.Add(goTestOutput)
	f.Add("BenchmarkX 1 2 ns/op 3")
	f.Fuzz(func(t *testing.T, s string) {
		for name := range parse(strings.NewReader(s)) {
			require.Contains(t, s, "Benchmark"+name)
		}
	})
}

func TestReadFigures(t *testing.T) {
	path := filepath.Join(t.TempDir(), "figures")
	require.NoError(t, os.WriteFile(path, []byte(`{"name":"CacheHit","impl":"stschain","min":50,"median":60.5,"allocs":1}`+"\n"), 0o600))
	got, err := readFigures(path)
	require.NoError(t, err)
	require.Equal(t, []bench.Figure{{Name: "CacheHit", Impl: "stschain", Min: 50, Median: 60.5, Allocs: 1}}, got)
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, err = readFigures(path)
	require.ErrorContains(t, err, "report: ")
}

func transport(ours float64, allocs int) *measured {
	return &measured{figures: []bench.Figure{
		{Name: "Transport/wire=none", Impl: "plain", Min: 400, Median: 500, Allocs: 9},
		{Name: "Transport/wire=none", Impl: "sha256", Min: 1400, Median: 1500, Allocs: 9},
		{Name: "Transport/wire=none", Impl: "stschain", Min: ours, Median: 3500, Allocs: allocs},
	}}
}

// The base is left out of the ratio and of the allocations.
func TestSigning(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ours   float64
		allocs int
		cell   string
		holds  bool
	}{
		{"reached", 2400, 18, "2.00 x (3.00), 9 allocs", true},
		{"too slow", 2900, 18, "2.50 x (3.00), 9 allocs", false},
		{"one allocation more", 2400, 19, "2.00 x (3.00), 10 allocs", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows := transport(tt.ours, tt.allocs).signing()
			got := rows[len(rows)-1]
			require.Equal(t, "SHA-256: 1µs", got.floor)
			require.Equal(t, tt.cell, got.ours)
			require.Equal(t, tt.holds, got.holds)
			require.Empty(t, got.minio)
		})
	}
}

func TestColdStarts(t *testing.T) {
	m := &measured{figures: []bench.Figure{
		{Name: "ColdProcess/env", Impl: "plain", Min: 12e6, Median: 11e6},
		{Name: "ColdProcess/irsa", Impl: "plain", Min: 10e6, Median: 11e6},
		{Name: "ColdProcess/env", Impl: "stschain", Min: 15e6, Median: 17e6},
		{Name: "ColdProcess/env", Impl: "aws", Min: 20e6, Median: 23e6},
	}}
	got := m.coldStarts()[0]
	require.Equal(t, "process that assumes a role, cold: keys in the environment", got.what)
	require.Equal(t, "+5ms (6ms)", got.ours)
	require.Equal(t, "+10ms (12ms)", got.sdk)
	require.True(t, got.holds)
}

func TestTable(t *testing.T) {
	got := table([]row{
		{what: "a", ours: "1", required: "x", holds: true},
		{what: "b", ours: "2", sdk: "3", required: "y"},
		{what: "c", floor: "0"},
	})
	require.Equal(t, `| what | floor | stschain | AWS SDK | minio-go | figure | reached |
|---|---|---|---|---|---|---|
| a |  | 1 |  |  | x | yes |
| b |  | 2 | 3 |  | y | **no** |
| c | 0 |  |  |  |  |  |
`, got)
}

func TestAbout(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 99: "99ns", 1414: "1.41µs", 9025: "9.03µs", 202_624_553: "203ms", -12345: "-12.3µs",
	} {
		require.Equal(t, want, about(d).String())
	}
}
