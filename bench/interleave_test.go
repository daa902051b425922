package bench_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/bench"
)

// Each run follows a preparation for as many calls, and all loops run equally often.
func TestInterleave(t *testing.T) {
	prepared, runs := 0, map[string]int{}
	loop := func(impl string) bench.Loop {
		return bench.Loop{
			Impl:    impl,
			Prepare: func(n int) { prepared = n },
			Run: func(n int) error {
				if n != prepared {
					return fmt.Errorf("%d calls, prepared for %d", n, prepared)
				}
				prepared = 0
				runs[impl]++
				return nil
			},
		}
	}
	figures, err := bench.Interleave([]bench.Loop{loop("a"), loop("b")}, 10, 1) // of one nanosecond: n stays small
	require.NoError(t, err)
	require.Len(t, figures, 2)
	for i, impl := range []string{"a", "b"} {
		require.Equal(t, impl, figures[i].Impl)
		require.LessOrEqual(t, figures[i].Min, figures[i].Median)
		require.GreaterOrEqual(t, runs[impl], 10+3)
	}
}

func TestInterleaveFails(t *testing.T) {
	broken := bench.Loop{Impl: "broken", Run: func(int) error { return errors.New("refused") }}
	_, err := bench.Interleave([]bench.Loop{broken}, 1, time.Millisecond)
	require.EqualError(t, err, "bench: broken: refused")
}

func TestMinMedian(t *testing.T) {
	for _, tt := range []struct {
		values        []float64
		least, middle float64
	}{
		{[]float64{3}, 3, 3},
		{[]float64{3, 1, 2}, 1, 2},
		{[]float64{4, 1, 3, 2}, 1, 2.5},
	} {
		least, middle := bench.MinMedian(tt.values)
		require.Equal(t, []float64{tt.least, tt.middle}, []float64{least, middle}, tt.values)
	}
}

func ExampleInterleave() {
	figures, err := bench.Interleave([]bench.Loop{
		{Impl: "time.Now", Run: func(n int) error {
			for range n {
				_ = time.Now()
			}
			return nil
		}},
	}, 100, 50*time.Microsecond)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(figures[0].Impl, figures[0].Min > 0)
	// Output: time.Now true
}
