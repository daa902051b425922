package wire_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/wire"
)

// Package stsquery's TestMeasureSkew has the edges.
func TestMeasure(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	header := http.Header{"Date": {noon.Add(time.Hour).Format(http.TimeFormat)}}
	s, ok := wire.MeasureSkew(header, noon, noon.Add(time.Second))
	require.True(t, ok)
	require.Equal(t, wire.Skew{Least: time.Hour - time.Second, Most: time.Hour + time.Second}, s)
	require.Equal(t, time.Hour+time.Second, s.Expiry())
	_, ok = wire.MeasureSkew(http.Header{}, noon, noon)
	require.False(t, ok)
	require.Zero(t, wire.Skew{}.Expiry())
}
