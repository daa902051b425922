package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Loop is the work of one implementation.
type Loop struct {
	Impl    string
	Prepare func(n int)       // called before each Run and not timed; nil does nothing
	Run     func(n int) error // does the work n times
}

// Figure is what a call of one implementation takes.
type Figure struct {
	Name   string  `json:"name"` // of the comparison
	Impl   string  `json:"impl"`
	Min    float64 `json:"min"`    // ns a call, in the fastest slice
	Median float64 `json:"median"` // ns a call, over all slices
	Allocs int     `json:"allocs"` // allocations a call
}

// Interleave measures loops in turn, in as many rounds, in random order, each time for about length, after it has
// warmed them. The minima are comparable on a busy machine if slices are shorter than the time that the
// scheduler gives a process, and many. They leave out most of the work of the garbage collector.
func Interleave(loops []Loop, rounds int, length time.Duration) ([]Figure, error) {
	calls := make([]int, len(loops))
	taken := make([][]float64, len(loops))
	for i, l := range loops {
		var err error
		if calls[i], err = l.callsIn(length); err != nil {
			return nil, err
		}
	}
	for range rounds {
		for _, i := range rand.Perm(len(loops)) {
			took, err := loops[i].time(calls[i])
			if err != nil {
				return nil, err
			}
			taken[i] = append(taken[i], float64(took)/float64(calls[i]))
		}
	}
	figures := make([]Figure, len(loops))
	for i, l := range loops {
		least, middle := MinMedian(taken[i])
		figures[i] = Figure{Impl: l.Impl, Min: least, Median: middle}
	}
	return figures, nil
}

// MinMedian returns the least and the middle one of at least one value.
func MinMedian(values []float64) (least, middle float64) {
	values = slices.Sorted(slices.Values(values))
	i := len(values) / 2
	if len(values)%2 == 1 {
		return values[0], values[i]
	}
	return values[0], (values[i-1] + values[i]) / 2
}

// callsIn returns how many calls take about length, by the fastest of three runs.
func (l Loop) callsIn(length time.Duration) (int, error) {
	for n := 1; ; n *= 2 {
		fastest := length
		for range 3 {
			took, err := l.time(n)
			if err != nil {
				return 0, err
			}
			fastest = min(fastest, took)
		}
		if fastest > length/2 {
			return n, nil
		}
	}
}

func (l Loop) time(n int) (time.Duration, error) {
	if l.Prepare != nil {
		l.Prepare(n)
	}
	began := time.Now()
	if err := l.Run(n); err != nil {
		return 0, fmt.Errorf("bench: %s: %w", l.Impl, err)
	}
	return time.Since(began), nil
}
