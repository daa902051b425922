package stschain_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

var pictures = flag.String("pictures", "check", `"write" or "check" docs/life.svg and docs/layers.svg`)

// checkPicture makes a picture, or checks that it is current.
func checkPicture(t *testing.T, path, svg string) {
	t.Helper()
	if *pictures == "write" {
		require.NoError(t, os.WriteFile(path, []byte(svg), 0o644))
		return
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, svg, strings.ReplaceAll(string(got), "\r\n", "\n"), "make it again: go test -run Picture . -pictures write")
}

// life is one row of docs/life.svg: credentials that are valid for an hour, and a call each second.
type life struct {
	title, about string
	maxStale     time.Duration
	down         time.Duration // from when on the source fails; 0: it works
	rejected     time.Duration // when a service rejects the credentials; 0: never
}

var lives = []life{
	{title: "The source works", about: "a background refresh in the advisory phase; no call waits, but the first"},
	{title: "The source fails from minute 40 on", about: "the credentials are served until they expire; then each call gets the error", down: 40 * time.Minute},
	{title: "The same with MaxStale of 10 minutes", about: "the expired credentials are served for 10 minutes more", down: 40 * time.Minute, maxStale: 10 * time.Minute},
	{title: "A service rejects the credentials at minute 25", about: "the next call waits for new ones", rejected: 25 * time.Minute},
}

const lifeShown = 80 * time.Minute

// run is a stretch of time in which each second is of one class.
type run struct {
	class    string
	from, to time.Duration
}

func extend(runs []run, class string, at time.Duration) []run {
	if n := len(runs); n > 0 && runs[n-1].class == class {
		runs[n-1].to = at + time.Second
		return runs
	}
	return append(runs, run{class, at, at + time.Second})
}

// play returns the phases of the cache, what its callers get, and when attempts began.
func (l *life) play(t *testing.T) (phases, calls []run, attempts []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := &stschain.Cache{MaxStale: l.maxStale}
		c.Provider = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			attempts = append(attempts, time.Since(began))
			time.Sleep(200 * time.Millisecond)
			if l.down > 0 && time.Since(began) >= l.down {
				return stschain.Credentials{}, errors.New("the source is down")
			}
			return stschain.Credentials{
				AccessKeyID: fmt.Sprintf("ASIA%d", len(attempts)), SecretAccessKey: stschain.NewSecret("secret"),
				Expires: time.Now().Add(time.Hour),
			}, nil
		})
		c.SetRandom(func() float64 { return 0.5 })
		for at := time.Duration(0); at < lifeShown; at += time.Second {
			time.Sleep(at - time.Since(began))
			creds, err := c.Retrieve(t.Context())
			switch waited := time.Since(began) - at; {
			case err != nil:
				calls = extend(calls, "fails", at)
			case waited > 0:
				calls = extend(calls, "waits", at)
			default:
				calls = extend(calls, "works", at)
			}
			phases = extend(phases, c.Status().Phase.String(), at)
			if l.rejected > 0 && at == l.rejected {
				c.Invalidate(creds)
			}
			synctest.Wait()
		}
	})
	return phases, calls, attempts
}

// TestLifePicture makes docs/life.svg, or checks that it is current:
//
//	go test -run Picture . -pictures write
func TestLifePicture(t *testing.T) {
	at := func(d time.Duration) float64 { return 24 + 852*float64(d)/float64(lifeShown) }
	var rows strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&rows, "  "+format+"\n", args...) }
	for i, l := range lives {
		phases, calls, attempts := l.play(t)
		top := 84 + 92*float64(i)
		line(`<text x="24" y="%.0f" font-size="13" class="text"><tspan font-weight="600">%s:</tspan> %s</text>`, top, l.title, l.about)
		for _, r := range phases {
			line(`<rect x="%.2f" y="%.0f" width="%.2f" height="24" class="%s"/>`, at(r.from), top+8, at(r.to)-at(r.from), r.class)
			if r.to-r.from > 6*time.Minute {
				line(`<text x="%.1f" y="%.0f" font-size="12" text-anchor="middle" fill="#ffffff">%s</text>`, (at(r.from)+at(r.to))/2, top+24, r.class)
			}
		}
		for _, class := range []string{"works", "fails", "waits"} { // a second is a fifth of a pixel: what waits is drawn wider, and last
			for _, r := range calls {
				if r.class == class {
					width := max(at(r.to)-at(r.from), map[string]float64{"waits": 3}[class])
					line(`<rect x="%.2f" y="%.0f" width="%.2f" height="8" class="%s"/>`, at(r.from), top+34, width, class)
				}
			}
		}
		for _, a := range attempts {
			line(`<path d="M%.1f %.0fl-4 9h8z" class="attempt"/>`, at(a), top+44)
		}
	}
	for d := time.Duration(0); d <= lifeShown; d += 10 * time.Minute {
		line(`<line x1="%.1f" x2="%.1f" y1="446" y2="452" class="tick"/>`, at(d), at(d))
		line(`<text x="%.1f" y="467" font-size="12" text-anchor="middle" class="faint">%d</text>`, at(d), int(d/time.Minute))
	}
	checkPicture(t, "docs/life.svg", fmt.Sprintf(lifePicture, rows.String()))
}

const lifePicture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 488" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" role="img" aria-labelledby="title desc">
  <title id="title">The life of cached credentials, to scale</title>
  <desc id="desc">Credentials that are valid for an hour, in four cases: the source works, it fails from minute 40 on, the same with MaxStale, and a service rejects the credentials. For each: the phases fresh, advisory, mandatory and expired, what a call gets, and when the cache calls the source. Played with the code of the library.</desc>
  <style>
    .text { fill: #1f2430 } .faint { fill: #5a6272 } .tick { stroke: #5a6272 } .attempt { fill: #1f2430 }
    .fresh { fill: #2d7d46 } .advisory { fill: #2f6fb3 } .mandatory { fill: #a8650f } .expired { fill: #a33a3a }
    .works { fill: #2d7d46 } .waits { fill: #c98a1b } .fails { fill: #a33a3a }
    @media (prefers-color-scheme: dark) {
      .text { fill: #e6edf3 } .faint { fill: #9da7b3 } .tick { stroke: #9da7b3 } .attempt { fill: #e6edf3 }
      .works { fill: #4fae6d } .waits { fill: #e0b04a } .fails { fill: #e06c6c }
    }
  </style>
  <text x="24" y="32" font-size="17" font-weight="600" class="text">Credentials that are valid for an hour, and a call each second, to scale</text>
  <g font-size="12" class="text">
    <text x="24" y="55" class="faint">In each row the phases, and what calls get:</text>
    <rect x="300" y="47" width="18" height="8" class="works"/><text x="323" y="55">credentials, at once</text>
    <rect x="456" y="47" width="18" height="8" class="waits"/><text x="479" y="55">credentials, after a wait</text>
    <rect x="636" y="47" width="18" height="8" class="fails"/><text x="659" y="55">an error</text>
    <path d="M740 46l-4 9h8z" class="attempt"/><text x="750" y="55">a call to the source</text>
  </g>
%s  <line x1="24" x2="876" y1="446" y2="446" class="tick"/>
  <text x="876" y="483" font-size="12" text-anchor="end" class="faint">minutes</text>
</svg>
`
