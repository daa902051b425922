package shared_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var fleetPicture = flag.String("fleet.picture", "", `"write" or "check" ../docs/fleet.svg`)

// scene is one graph of docs/fleet.svg: what happens to pods whose credentials are valid for an hour.
type scene struct {
	title, about string
	from, to     time.Duration // that the graph shows
	step         time.Duration // of the graph; it shows the second with the most calls in each step
	mark         time.Duration // between the marks of the time
	down, up     time.Duration // when the store is lost; 0: it is not
	play         func(w *region)
}

const (
	pods  = 10_000
	quota = 600 // calls of STS a second
)

var scenes = []scene{
	{"Cold start", "all pods start within 10 s", 0, time.Minute, time.Second, 10 * time.Second, 0, 0, func(w *region) {
		w.begin(10 * time.Second)
	}},
	{"Rollout", "a quarter is replaced each minute", 20 * time.Minute, 24 * time.Minute, 2 * time.Second, time.Minute, 0, 0, func(w *region) {
		w.begin(10 * time.Second)
		for i := range pods {
			if i%(pods/4) == 0 {
				w.until(20*time.Minute + time.Duration(i/(pods/4))*time.Minute)
			}
			w.mu.Lock()
			w.processes[i].killed = true
			w.mu.Unlock()
			p := w.launch(4711, pods+i)
			w.mu.Lock()
			w.processes[i] = p
			w.mu.Unlock()
			time.Sleep(2 * time.Millisecond)
		}
	}},
	{"Store lost for an hour", "it comes back empty", 20 * time.Minute, 140 * time.Minute, time.Minute, 20 * time.Minute, 30 * time.Minute, 90 * time.Minute, func(w *region) {
		w.begin(10 * time.Second)
		for _, change := range []struct {
			at   time.Duration
			mode string
		}{{30 * time.Minute, "down"}, {90 * time.Minute, ""}} {
			w.until(change.at)
			w.mu.Lock()
			w.mode, w.recovered = change.mode, time.Now()
			w.loses(2, w.roles...)
			w.mu.Unlock()
		}
		w.store.Flush()
	}},
}

// begin starts all pods over a time.
func (w *region) begin(over time.Duration) {
	for i := range pods {
		w.start(4711, i)
		time.Sleep(over / pods)
	}
}

func (w *region) until(d time.Duration) { time.Sleep(d - time.Since(w.began)) }

// calls plays a scene, and returns the calls of STS in each second.
func (s scene) calls(t *testing.T, alone bool) (calls []int) {
	synctest.Test(t, func(t *testing.T) {
		w := newRegion(4711, 1, time.Hour)
		w.alone, w.quota = alone, quota
		s.play(w)
		w.until(s.to)
		w.mu.Lock()
		calls = w.calls
		require.NoError(t, w.broken, s.title)
		w.mu.Unlock()
		close(w.end)
		time.Sleep(5 * time.Minute)
	})
	calls = append(calls, make([]int, int(s.to/time.Second))...)
	return calls[int(s.from/time.Second):int(s.to/time.Second)]
}

// TestFleetPicture makes docs/fleet.svg, or checks that it is current:
//
//	go test -run 'TestFleetPicture$' ./shared -fleet.picture write
func TestFleetPicture(t *testing.T) {
	if *fleetPicture == "" {
		t.Skip("10,000 pods take some seconds: -fleet.picture check")
	}
	const path = "../docs/fleet.svg"
	var graphs strings.Builder
	for i, s := range scenes {
		s.draw(&graphs, 70+float64(i)*280, s.calls(t, true), s.calls(t, false))
	}
	svg := fmt.Sprintf(picture, graphs.String())
	if *fleetPicture == "write" {
		require.NoError(t, os.WriteFile(path, []byte(svg), 0o644))
		return
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, svg, string(got), "make it again: go test -run 'TestFleetPicture$' ./shared -fleet.picture write")
}

const (
	bottom = 300.0
	height = 190.0
	width  = 240.0
)

// level is the height of a number of calls, on a logarithmic scale from 0.5 to 4,000.
func level(calls int) float64 {
	if calls == 0 {
		return bottom
	}
	return bottom - height*math.Log10(float64(calls)/0.5)/math.Log10(4000/0.5)
}

func (s scene) draw(b *strings.Builder, left float64, alone, shared []int) {
	line := func(format string, args ...any) { fmt.Fprintf(b, "  "+format+"\n", args...) }
	at := func(d time.Duration) float64 { return left + width*float64(d-s.from)/float64(s.to-s.from) }
	line(`<text x="%.0f" y="66" font-size="14" font-weight="600" class="text">%s</text>`, left, s.title)
	line(`<text x="%.0f" y="84" font-size="12" class="faint">%s</text>`, left, s.about)
	if s.up > 0 {
		line(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="down"/>`, at(s.down), bottom-height, at(s.up)-at(s.down), height)
		line(`<text x="%.1f" y="%.1f" font-size="12" text-anchor="middle" class="faint">store down</text>`, (at(s.down)+at(s.up))/2, level(quota)+20)
	}
	for _, n := range []int{1, 10, 100, 1000} {
		line(`<line x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f" class="line"/>`, left, left+width, level(n), level(n))
		if left < 100 {
			line(`<text x="%.0f" y="%.1f" font-size="12" text-anchor="end" class="faint">%s</text>`, left-8, level(n)+4, thousands(n))
		}
	}
	for i, calls := range [][]int{alone, shared} {
		name := []string{"alone", "shared"}[i]
		step, total, most := int(s.step/time.Second), 0, 0
		path := fmt.Sprintf("M%.1f %.1f", left, bottom)
		was := 0
		for j := range len(calls) / step {
			peak := 0
			for _, n := range calls[j*step : (j+1)*step] {
				total += n
				peak = max(peak, n)
			}
			if peak != was {
				path += fmt.Sprintf("H%.1fV%.1f", at(s.from+time.Duration(j)*s.step), level(peak))
			}
			most, was = max(most, peak), peak
		}
		unit := "calls"
		if total == 1 {
			unit = "call"
		}
		line(`<path class="%s" d="%sH%.1fV%.1fZ"/>`, name, path, left+width, bottom)
		line(`<text x="%.0f" y="%d" font-size="13" class="text"><tspan font-weight="600">%s:</tspan> %s %s, peak %s a second</text>`, left, 346+i*20, name, thousands(total), unit, thousands(most))
	}
	line(`<line x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f" class="quota"/>`, left, left+width, level(quota), level(quota))
	line(`<line x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f" class="axis"/>`, left, left+width, bottom, bottom)
	unit, name := time.Minute, "min"
	if s.to <= time.Minute {
		unit, name = time.Second, "s"
	}
	for d := s.from; d <= s.to; d += s.mark {
		label := fmt.Sprint(int(d / unit))
		if d == s.from {
			label += " " + name
		}
		line(`<text x="%.1f" y="318" font-size="12" text-anchor="middle" class="faint">%s</text>`, at(d), label)
	}
}

// thousands writes n with separators.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 384" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" role="img" aria-labelledby="title desc">
  <title id="title">STS calls a second by 10,000 pods</title>
  <desc id="desc">Three graphs of the STS calls a second by 10,000 pods, each alone and with a shared store, against the quota of 600: a cold start, a rollout, and the store lost for an hour. Simulated with the code of the library.</desc>
  <style>
    .text { fill: #1f2430 } .faint { fill: #5a6272 } .line { stroke: #d5d9e0 } .axis { stroke: #5a6272 } .down { fill: #5a6272; fill-opacity: 0.12 }
    .quota { stroke: #a33a3a; stroke-width: 1.5; stroke-dasharray: 6 4 } .alone { fill: #a8650f; fill-opacity: 0.5 } .shared { fill: #2f6fb3 }
    @media (prefers-color-scheme: dark) {
      .text { fill: #e6edf3 } .faint { fill: #9da7b3 } .line { stroke: #3d444d } .axis { stroke: #9da7b3 } .down { fill: #9da7b3 }
      .quota { stroke: #e06c6c } .alone { fill: #e0a45a } .shared { fill: #58a6ff }
    }
  </style>
  <text x="24" y="32" font-size="17" font-weight="600" class="text">STS calls a second by 10,000 pods</text>
  <rect x="500" y="21" width="12" height="12" class="alone"/>
  <text x="518" y="32" font-size="13" class="text">each pod alone</text>
  <rect x="630" y="21" width="12" height="12" class="shared"/>
  <text x="648" y="32" font-size="13" class="text">shared store</text>
  <line x1="750" x2="778" y1="27" y2="27" class="quota"/>
  <text x="784" y="32" font-size="13" class="text">quota of 600</text>
%s</svg>
`
