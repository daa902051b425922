package main_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var picture = flag.String("picture", "check", `"write" or "check" docs/quickstart.svg`)

// TestPicture makes docs/quickstart.svg from the output of the program, or checks that it is current:
//
//	go run ./examples/quickstart > examples/quickstart/output.txt
//	go test ./examples/quickstart -picture write
func TestPicture(t *testing.T) {
	const path = "../../docs/quickstart.svg"
	output, err := os.ReadFile("output.txt")
	require.NoError(t, err)
	svg := draw(t, strings.ReplaceAll(string(output), "\r\n", "\n"))
	if *picture == "write" {
		require.NoError(t, os.WriteFile(path, []byte(svg), 0o644))
		return
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, svg, strings.ReplaceAll(string(got), "\r\n", "\n"), "make it again: go test ./examples/quickstart -picture write")
}

// x is where the picture shows a second.
func x(second float64) float64 { return 150 + 700*second/20 }

func draw(t *testing.T, output string) string {
	var b strings.Builder
	mark := func(format string, args ...any) { fmt.Fprintf(&b, "  "+format+"\n", args...) }
	seconds := func(s string) float64 {
		f, err := strconv.ParseFloat(s, 64)
		require.NoError(t, err)
		return f
	}
	line := regexp.MustCompile(`^ *([\d.]+)s  (\w+) +(.*)$`)
	received := regexp.MustCompile(`^new credentials after .*: valid until ([\d.]+)s`)
	requests := regexp.MustCompile(`^(\d+) requests by (\d+) callers, (\d+) failed; (\d+) waited`)
	type bar struct {
		from, to float64
		text     string
	}
	var bars []bar
	down, calls := 0.0, 0
	for text := range strings.Lines(output) {
		m := line.FindStringSubmatch(strings.TrimSpace(text))
		if m == nil {
			require.Equal(t, "ok: all requests worked\n", text)
			continue
		}
		at := seconds(m[1])
		switch m[2] {
		case "sts":
			mark(`<circle cx="%.1f" cy="%d" r="4.5" class="%s"/>`, x(at), 86, map[bool]string{true: "bad", false: "good"}[down > 0])
			calls++
		case "outage":
			if down == 0 {
				down = at
				continue
			}
			mark(`<rect x="%.1f" y="64" width="%.1f" height="%d" class="down"/>`, x(down), x(at)-x(down), 232)
			mark(`<text x="%.1f" y="60" font-size="12" text-anchor="middle" class="faint">STS returns 503</text>`, (x(down)+x(at))/2)
			down = 0
		case "revoked":
			bars[len(bars)-1].to = at
			mark(`<line x1="%.1f" x2="%.1f" y1="64" y2="296" class="revoked"/>`, x(at), x(at))
			mark(`<text x="%.1f" y="60" font-size="12" text-anchor="middle" class="faint">a token is rejected</text>`, x(at))
		case "cache":
			if until := received.FindStringSubmatch(m[3]); until != nil {
				bars = append(bars, bar{at, min(seconds(until[1]), 20), "valid until " + until[1] + " s"})
			}
		case "program":
			if m := requests.FindStringSubmatch(m[3]); m != nil {
				require.Equal(t, "0", m[3])
				mark(`<rect x="%.1f" y="266" width="%.1f" height="18" class="good"/>`, x(0), x(20)-x(0))
				mark(`<text x="%.1f" y="279" font-size="12" fill="#ffffff">%s requests of %s callers, %s failed; %s waited for credentials</text>`, x(0)+6, m[1], m[2], m[3], m[4])
			}
		}
	}
	for i, c := range bars {
		mark(`<rect x="%.1f" y="%d" width="%.1f" height="18" rx="2" class="creds"/>`, x(c.from), 112+i*24, x(c.to)-x(c.from))
		if x(c.to)-x(c.from) > 120 {
			mark(`<text x="%.1f" y="%d" font-size="12" fill="#ffffff">%s</text>`, x(c.from)+6, 125+i*24, c.text)
		}
	}
	require.Len(t, bars, 5, "the picture has room for five refreshes that succeeded")
	require.NotZero(t, calls)
	for second := 0; second <= 20; second += 2 {
		mark(`<line x1="%.1f" x2="%.1f" y1="296" y2="302" class="tick"/>`, x(float64(second)), x(float64(second)))
		mark(`<text x="%.1f" y="317" font-size="12" text-anchor="middle" class="faint">%d%s</text>`, x(float64(second)), second, map[int]string{20: " s"}[second])
	}
	return fmt.Sprintf(drawing, b.String())
}

const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 330" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" role="img" aria-labelledby="title desc">
  <title id="title">The twenty seconds of the quickstart</title>
  <desc id="desc">Calls of STS, the credentials that the cache received and until when they are valid, and the requests of eight callers. STS fails for five seconds and the service rejects a token, and no request fails.</desc>
  <style>
    .text { fill: #1f2430 } .faint { fill: #5a6272 } .tick { stroke: #5a6272 } .creds { fill: #2f6fb3 } .good { fill: #2d7d46 } .bad { fill: #a33a3a }
    .down { fill: #a33a3a; fill-opacity: 0.13 } .revoked { stroke: #a8650f; stroke-width: 2; stroke-dasharray: 5 3 }
    @media (prefers-color-scheme: dark) {
      .text { fill: #e6edf3 } .faint { fill: #9da7b3 } .tick { stroke: #9da7b3 } .bad { fill: #e06c6c } .down { fill: #e06c6c } .revoked { stroke: #e0a45a }
    }
  </style>
  <text x="24" y="32" font-size="17" font-weight="600" class="text">go run ./examples/quickstart: credentials that are valid for twelve seconds</text>
  <g font-size="13" class="text"><text x="24" y="90">calls of STS</text><text x="24" y="126">credentials</text><text x="24" y="280">requests</text></g>
%s  <line x1="150" x2="850" y1="296" y2="296" class="tick"/>
</svg>
`
