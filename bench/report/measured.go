package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain/bench"
	"github.com/stschain-go/stschain/bench/size"
)

// measured is all that the report is made of.
type measured struct {
	figures  []bench.Figure
	paced    []round
	upload   round
	sizes    map[string]size.Program
	poolKeys int
}

// figure is a bench.Figure of one implementation.
type figure struct{ bench.Figure }

func (f figure) duration() time.Duration { return about(time.Duration(f.Min)) }

// of returns the figures of a comparison, by implementation.
func (m *measured) of(name string) map[string]figure {
	all := make(map[string]figure)
	for _, f := range m.figures {
		if f.Name == name {
			all[f.Impl] = figure{f}
		}
	}
	return all
}

// readFigures reads the lines of JSON that the tests wrote.
func readFigures(path string) ([]bench.Figure, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []bench.Figure
	for in := json.NewDecoder(file); ; {
		var f bench.Figure
		if err := in.Decode(&f); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("report: %s: %w", path, err)
		}
		all = append(all, f)
	}
}

// round is the results of benchmarks in one run: by name (without "Benchmark", with
// the number of cores after a hyphen unless it is 1) and unit.
type round map[string]map[string]float64

// parse reads the output of go test -bench.
func parse(in io.Reader) round {
	r := make(round)
	for lines := bufio.NewScanner(in); lines.Scan(); {
		fields := strings.Fields(lines.Text())
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
	return r
}

// median of the results of a benchmark.
func median(rounds []round, name, unit string) float64 {
	var found []float64
	for _, r := range rounds {
		found = append(found, r[name][unit])
	}
	_, middle := bench.MinMedian(found)
	return middle
}
