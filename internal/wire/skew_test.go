package wire_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/wire"
)

func httpDate(at time.Time) string { return at.UTC().Format(http.TimeFormat) }

// Report: aws-sdk-go-v2#3409.
func TestMeasureSkew(t *testing.T) {
	const s, m = time.Second, time.Minute
	for name, test := range map[string]struct {
		date   time.Duration // of the response, after noon, when the request is sent
		took   time.Duration
		header http.Header // instead of the date
		none   bool
		least  time.Duration
		most   time.Duration
		expiry time.Duration
	}{
		"agree":            {took: 2 * s, date: 2 * s, least: 0, most: 3 * s},
		"ahead":            {took: 2 * s, date: 10*m + 2*s, least: 10 * m, most: 10*m + 3*s, expiry: 10*m + 3*s},
		"behind":           {took: 2 * s, date: -10 * m, least: -10*m - 2*s, most: -10*m + s, expiry: -10*m + s},
		"a minute ahead":   {took: s, date: 61 * s, least: 60 * s, most: 62 * s},
		"and a second":     {took: s, date: 62 * s, least: 61 * s, most: 63 * s, expiry: 63 * s},
		"a minute behind":  {took: s, date: -61 * s, least: -62 * s, most: -60 * s},
		"a second more":    {took: s, date: -62 * s, least: -63 * s, most: -61 * s, expiry: -61 * s},
		"slow response":    {took: 14 * m, date: 0, least: -14 * m, most: s}, // to be signed with, not to live longer by
		"dated at its end": {took: 14 * m, date: 14 * m, least: 0, most: 14*m + s},
		"15 minutes":       {took: 15 * m, date: 15 * m, least: 0, most: 15*m + s},
		"and 1 ns":         {took: 15*m + 1, date: 15 * m, none: true},
		"time went back":   {took: -m, date: 0, least: m, most: s},
		"no date":          {header: http.Header{}, none: true},
		"bad date":         {header: http.Header{"Date": {"2026-11-21T12:00:00Z"}}, none: true},
		"cached":           {header: http.Header{"Date": {httpDate(noon)}, "Age": {"0"}}, none: true},
		"cached, no age":   {header: http.Header{"Date": {httpDate(noon)}, "Age": {""}}, none: true},
	} {
		t.Run(name, func(t *testing.T) {
			header := test.header
			if header == nil {
				header = http.Header{"Date": {httpDate(noon.Add(test.date))}}
			}
			skew, ok := wire.MeasureSkew(header, noon, noon.Add(test.took))
			require.Equal(t, !test.none, ok)
			require.Equal(t, wire.Skew{Least: test.least, Most: test.most}, skew)
			require.Equal(t, test.expiry, skew.Expiry())
		})
	}
}

// The time that a response took is that of the wall clock: the monotonic one stops while a laptop sleeps.
// Report: aws-sdk-go-v2#789.
func TestMeasureSkewAfterSleep(t *testing.T) {
	sent := time.Now()
	_, ok := wire.MeasureSkew(http.Header{"Date": {httpDate(sent)}}, sent, sent.Round(0).Add(time.Hour))
	require.False(t, ok)
}
