package main

import (
	"bufio"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/stschain-go/stschain/bench/size"
)

// measured is all that the report is made of.
type measured struct {
	cpu    string
	rounds []round
	paced  []round
	upload round
	sizes  map[string]size.Program
}

// round is the results of benchmarks in one run: by name (without "Benchmark", with
// the number of cores after a hyphen unless it is 1) and unit.
type round map[string]map[string]float64

func (r round) add(other round) {
	for name, values := range other {
		r[name] = values
	}
}

// parse reads the output of go test -bench, and the CPU that it names.
func parse(in io.Reader) (r round, cpu string) {
	r = make(round)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		line := lines.Text()
		if model, ok := strings.CutPrefix(line, "cpu: "); ok {
			cpu = model
		}
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		values := make(map[string]float64)
		for pair := range slices.Chunk(fields[2:], 2) { // after the name and the number of iterations
			if v, err := strconv.ParseFloat(pair[0], 64); err == nil && len(pair) == 2 {
				values[pair[1]] = v
			}
		}
		r[strings.TrimPrefix(fields[0], "Benchmark")] = values
	}
	return r, cpu
}

// median of what f finds in each round.
func median(rounds []round, f func(round) float64) float64 {
	found := make([]float64, len(rounds))
	for i, r := range rounds {
		found[i] = f(r)
	}
	slices.Sort(found)
	middle := len(found) / 2
	if len(found)%2 == 1 {
		return found[middle]
	}
	return (found[middle-1] + found[middle]) / 2
}

// value is the median of the results of a benchmark.
func value(rounds []round, name, unit string) float64 {
	return median(rounds, func(r round) float64 { return r[name][unit] })
}

// times is how many times as long as base a benchmark takes.
func (m *measured) times(name, base string) float64 {
	return median(m.rounds, func(r round) float64 { return r[name]["ns/op"] / r[base]["ns/op"] })
}

// longer is how many nanoseconds longer than base a benchmark takes.
func (m *measured) longer(name, base string) float64 {
	return median(m.rounds, func(r round) float64 { return r[name]["ns/op"] - r[base]["ns/op"] })
}

func (m *measured) has(name string) bool { return len(m.rounds) > 0 && m.rounds[0][name] != nil }

func (m *measured) allocs(name string) int { return int(value(m.rounds, name, "allocs/op")) }
