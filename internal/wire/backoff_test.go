package wire_test

import (
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/wire"
)

// A service is retried as by the standard mode of 2026: from 50 ms, from 1 s if it throttles, and later, by at most 5 s, if it
// requests that.
// Source: retry.md, B.
func TestServiceWaits(t *testing.T) {
	const ms, s = time.Millisecond, time.Second
	for name, test := range map[string]struct {
		status      int
		header      string
		least, most []time.Duration
	}{
		"503":             {503, "", []time.Duration{0, 0}, []time.Duration{50 * ms, 100 * ms}},
		"408":             {408, "", []time.Duration{0, 0}, []time.Duration{50 * ms, 100 * ms}},
		"429":             {429, "", []time.Duration{0, 0}, []time.Duration{s, 2 * s}},
		"503, requested":  {503, "1500", []time.Duration{1500 * ms, 1500 * ms}, []time.Duration{1500 * ms, 1500 * ms}},
		"429, requested":  {429, "4000", []time.Duration{4 * s, 4 * s}, []time.Duration{4 * s, 4 * s}},
		"an hour":         {503, "3600000", []time.Duration{5 * s, 5 * s}, []time.Duration{5*s + 50*ms, 5*s + 100*ms}},
		"invalid request": {503, "soon", []time.Duration{0, 0}, []time.Duration{50 * ms, 100 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Time
				client := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
					at = append(at, time.Now())
					return &http.Response{StatusCode: test.status, Header: http.Header{"X-Amz-Retry-After": {test.header}}, Body: http.NoBody}, nil
				})}
				service := wire.Service{URL: &url.URL{Scheme: "https", Host: "service.example"}, HTTPClient: client, Now: time.Now}
				err := service.Call(t.Context(), func() (wire.Request, error) { return wire.Request{Header: http.Header{}}, nil }, func(r wire.Response) error {
					return service.Refuse(r, "X", "").Marked()
				})
				require.Error(t, err)
				require.Len(t, at, 3)
				for i := range 2 {
					wait := at[i+1].Sub(at[i])
					require.GreaterOrEqual(t, wait, test.least[i])
					require.LessOrEqual(t, wait, test.most[i])
				}
			})
		})
	}
}
