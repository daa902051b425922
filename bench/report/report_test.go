package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const goTestOutput = `goos: linux
cpu: Some CPU @ 2.50GHz
BenchmarkSignAssumeRole/keys=static/impl=stschain-2         	   29043	     10000 ns/op	    1168 B/op	       4 allocs/op
BenchmarkSignAssumeRole/keys=static/impl=aws-2              	   12147	     40000 ns/op	    6392 B/op	      45 allocs/op
BenchmarkPacedCallers/impl=aws-window-2   	       1	    420532 calls	 203525429 max-ns	     211.5 p50-ns
--- BENCH: BenchmarkPacedCallers
BenchmarkCut
PASS
`

func TestParse(t *testing.T) {
	r, cpu := parse(strings.NewReader(goTestOutput))
	require.Equal(t, "Some CPU @ 2.50GHz", cpu)
	require.Equal(t, round{
		"SignAssumeRole/keys=static/impl=stschain-2": {"ns/op": 10000, "B/op": 1168, "allocs/op": 4},
		"SignAssumeRole/keys=static/impl=aws-2":      {"ns/op": 40000, "B/op": 6392, "allocs/op": 45},
		"PacedCallers/impl=aws-window-2":             {"calls": 420532, "max-ns": 203525429, "p50-ns": 211.5},
	}, r)
}

func FuzzParse(f *testing.F) {
	f.Add(goTestOutput)
	f.Add("BenchmarkX 1 2 ns/op 3")
	f.Fuzz(func(t *testing.T, s string) {
		r, _ := parse(strings.NewReader(s))
		for name := range r {
			require.Contains(t, s, "Benchmark"+name)
		}
	})
}

// TestMedianOfRatios: a round that the machine slowed down as a whole says the
// same as the others.
func TestMedianOfRatios(t *testing.T) {
	one := func(a, b float64) round { return round{"a": {"ns/op": a}, "b": {"ns/op": b}} }
	m := &measured{rounds: []round{one(10, 20), one(100, 210), one(10, 15)}}
	require.InDelta(t, 2, m.times("b", "a"), 1e-9)
	require.InDelta(t, 10, m.longer("b", "a"), 1e-9)
	m.rounds = m.rounds[:2]
	require.InDelta(t, 2.05, m.times("b", "a"), 1e-9)
}

func TestAgainstSDK(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		ours, sdk, allocated float64
		holds                bool
	}{
		{"a third", 10, 30, 10, true},
		{"more than a third", 10, 29, 10, false},
		{"one allocation more", 10, 40, 11, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &measured{rounds: []round{{
				"Sign/impl=stschain-2": {"ns/op": tt.ours, "allocs/op": tt.allocated},
				"Sign/impl=aws-2":      {"ns/op": tt.sdk, "allocs/op": 45},
			}}}
			r := m.againstSDK("sign", "Sign", 10)
			require.Equal(t, tt.holds, r.holds)
			require.Empty(t, r.minio)
			require.Empty(t, r.floor)
		})
	}
}

// TestScaling: where time.Now() does not gain by a second core, nobody does.
func TestScaling(t *testing.T) {
	for _, tt := range []struct {
		name      string
		now, ours float64 // how much longer one core takes
		required  string
		holds     bool
	}{
		{"scales", 2, 1.9, "scales with cores", true},
		{"does not", 2, 1.1, "scales with cores", false},
		{"busy machine", 1.1, 1.1, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			of := make(round)
			for _, impl := range []string{"time.Now", "stschain", "aws", "minio"} {
				gain := tt.ours
				if impl == "time.Now" {
					gain = tt.now
				}
				of["CacheHitParallel/impl="+impl] = map[string]float64{"ns/op": gain}
				of["CacheHitParallel/impl="+impl+"-2"] = map[string]float64{"ns/op": 1}
			}
			r := (&measured{rounds: []round{of}}).scaling()
			require.Equal(t, tt.required, r.required)
			require.Equal(t, tt.holds, r.holds)
		})
	}
}

func TestTable(t *testing.T) {
	got := table([]row{
		{what: "a", ours: "1", required: "x", holds: true},
		{what: "b", ours: "2", sdk: "3", required: "y"},
		{what: "c", floor: "0"},
	})
	require.Equal(t, `| what | floor | stschain | AWS SDK | minio-go | required | holds |
|---|---|---|---|---|---|---|
| a |  | 1 |  |  | x | yes |
| b |  | 2 | 3 |  | y | **no** |
| c | 0 |  |  |  |  |  |
`, got)
}

func TestAbout(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 99: "99ns", 141: "140ns", 9025: "9µs", 202_624_553: "200ms", -1234: "-1.2µs",
	} {
		require.Equal(t, want, about(d).String())
	}
}
