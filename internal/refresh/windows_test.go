package refresh_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/refresh"
)

// cockroach#169764, cloudquery#5097, minio-go#1075
func TestWindows(t *testing.T) {
	const almostOne = 1 - 1e-9
	type want struct{ nominal, advisory, mandatory time.Duration }
	tests := []struct {
		name                          string
		lifetime, advisory, mandatory time.Duration
		random                        float64
		want                          want
	}{
		{"20 min is short", 20 * time.Minute, 0, 0, 0, want{5 * time.Minute, 5 * time.Minute, time.Minute}},
		{"1 ns more is not", 20*time.Minute + 1, 0, 0, 0, want{15 * time.Minute, 15 * time.Minute, time.Minute}},
		{"1 ns under 90 min", 90*time.Minute - 1, 0, 0, 0, want{15 * time.Minute, 15 * time.Minute, time.Minute}},
		{"90 min is long", 90 * time.Minute, 0, 0, 0, want{60 * time.Minute, 60 * time.Minute, time.Minute}},
		{"three quarters at most", 6 * time.Minute, 0, 0, 0, want{270 * time.Second, 270 * time.Second, time.Minute}},
		{"the cap begins", 400 * time.Second, 0, 0, 0, want{300 * time.Second, 300 * time.Second, time.Minute}},
		{"1 ns below the cap", 400*time.Second - 4, 0, 0, 0, want{300*time.Second - 3, 300*time.Second - 3, time.Minute}},
		{"jitter widens by a quarter", 12 * time.Hour, 0, 0, 1, want{60 * time.Minute, 75 * time.Minute, time.Minute}},
		{"jitter stays within the cap", 400 * time.Second, 0, 0, almostOne, want{300 * time.Second, 300 * time.Second, time.Minute}},
		{"mandatory is a quarter of the advisory window", 4 * time.Second, 0, 0, 0, want{3 * time.Second, 3 * time.Second, 750 * time.Millisecond}},
		{"a quarter of it before jitter", time.Hour, 200 * time.Second, 0, 1, want{200 * time.Second, 250 * time.Second, 50 * time.Second}},
		{"a quarter is the least that caps it", time.Hour, 240 * time.Second, 0, 0, want{240 * time.Second, 240 * time.Second, 60 * time.Second}},
		{"4 ns less cap it", time.Hour, 240*time.Second - 4, 0, 0, want{240*time.Second - 4, 240*time.Second - 4, 60*time.Second - 1}},
		{"configured", 6 * time.Hour, 30 * time.Minute, 10 * time.Second, 0.5, want{30 * time.Minute, 33*time.Minute + 45*time.Second, 10 * time.Second}},
		// The window of aws-sdk-net#4313: as long as the life itself.
		{"configured as long as the lifetime", 15 * time.Minute, 15 * time.Minute, 0, 0, want{675 * time.Second, 675 * time.Second, time.Minute}},
		{"forever", math.MaxInt64, 0, 0, 1, want{60 * time.Minute, 75 * time.Minute, time.Minute}},
		{"1 ns", 1, 0, 0, 0, want{1, 1, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := refresh.WindowsFor(tt.lifetime, tt.advisory, tt.mandatory, tt.random)
			require.Equal(t, tt.want, want{refresh.Nominal(tt.lifetime, tt.advisory), got.Advisory, got.Mandatory})
		})
	}
}

func TestInstants(t *testing.T) {
	const never, always = math.MaxInt64, math.MinInt64
	require.EqualValues(t, never, refresh.Nanos(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)))
	require.EqualValues(t, always, refresh.Nanos(time.Time{}))
	require.EqualValues(t, 1, refresh.Nanos(time.Unix(0, 1)))
	// The last second that fits whole is the one before that of the last instant.
	require.EqualValues(t, never, refresh.Nanos(time.Unix(9_223_372_036, 0)))
	require.EqualValues(t, 9_223_372_035e9, refresh.Nanos(time.Unix(9_223_372_035, 0)))
	require.EqualValues(t, always, refresh.Nanos(time.Unix(-9_223_372_036, 0)))
	require.EqualValues(t, int64(-9_223_372_035e9), refresh.Nanos(time.Unix(-9_223_372_035, 0)))
	require.EqualValues(t, never, refresh.Plus(never, -1))
	require.EqualValues(t, always, refresh.Plus(always, 1))
	require.EqualValues(t, never, refresh.Plus(5, never))
	require.EqualValues(t, always, refresh.Plus(-5, always))
	require.EqualValues(t, 7, refresh.Plus(5, 2))
	require.EqualValues(t, never, refresh.Span(5, never))
	require.EqualValues(t, never, refresh.Span(always, 5))
	require.EqualValues(t, -2, refresh.Span(7, 5))
}
