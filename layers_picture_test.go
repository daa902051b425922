package stschain_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// layer is one row of docs/layers.svg.
type layer struct {
	about    string
	packages []string
}

// layers are the packages that programs import, each above those that it may import.
var layers = []layer{
	{"programs, and bridges to other libraries: exported names only", []string{"cmd/stschain", "examples/*", "adapter/*"}},
	{"what programs compose", []string{"source", "source/profile"}},
	{"sharing, serving and showing credentials; tokens and sessions of other services", []string{"shared", "shared/dirstore", "shared/storetest", "serve", "statuspage", "proof", "grants/s3express", "grants/accessgrants"}},
	{"credentials of agents, files and certificates", []string{"source/env", "source/process", "source/container", "source/imds", "source/sso", "source/login", "source/rolesanywhere", "source/iot"}},
	{"one STS flow in each", []string{"assumerole", "webidentity", "saml", "sessiontoken", "federation", "minio"}},
	{"the STS client: endpoints, retries, clock skew, errors", []string{"stsquery"}},
	{"signatures, and an http.RoundTripper that adds them", []string{"sigv4"}},
	{"the contract: Provider, Chain, Cache, Pool, Secret", []string{"stschain"}},
}

// shown returns the layer and the name under which docs/layers.svg shows a package.
func shown(pkg string) (int, string) {
	for i, l := range layers {
		for _, name := range l.packages {
			if root, ok := strings.CutSuffix(name, "/*"); pkg == name || ok && strings.HasPrefix(pkg, root+"/") {
				return i, name
			}
		}
	}
	return -1, ""
}

// TestLayersPicture makes docs/layers.svg from the packages and their imports, or checks that it is current:
//
//	go test -run Picture . -pictures write
func TestLayersPicture(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to list the packages with")
	}
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	require.NoError(t, err)
	aside := []string{"examples", "docs", "grants", "ststest", "internal"} // documentation, fakes, and what no program imports
	for line := range strings.Lines(string(out)) {
		imports := strings.Fields(line)
		for i, path := range imports {
			imports[i] = strings.TrimPrefix(strings.Replace(path, module, "stschain", 1), "stschain/")
		}
		at, name := shown(imports[0])
		if name == "" {
			root, _, below := strings.Cut(imports[0], "/")
			require.True(t, slices.Contains(aside, imports[0]) || slices.Contains(aside, root) && (below && root != "grants") || strings.Contains(imports[0], "internal"),
				"%s is in no layer of docs/layers.svg", imports[0])
			continue
		}
		for _, path := range imports[1:] {
			if to, _ := shown(path); to >= 0 {
				require.GreaterOrEqual(t, to, at, "%s imports %s, which docs/layers.svg shows above it", imports[0], path)
			}
		}
	}

	var rows strings.Builder
	top := 52
	for i, l := range layers {
		height := 62
		if i == len(layers)-1 {
			height += 4
		}
		fmt.Fprintf(&rows, "  <text x=\"24\" y=\"%d\" font-size=\"12\" class=\"faint\">%s</text>\n", top+12, l.about)
		gap, left := 6.0, 24.0
		letters := 0
		for _, name := range l.packages {
			letters += len(name) + 3
		}
		for _, name := range l.packages {
			width := (852 - gap*float64(len(l.packages)-1)) * float64(len(name)+3) / float64(letters)
			class := "box"
			if i == len(layers)-1 {
				class = "root"
			}
			fmt.Fprintf(&rows, "  <rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"30\" rx=\"3\" class=\"%s\"/>", left, top+19, width, class)
			fmt.Fprintf(&rows, "<text x=\"%.1f\" y=\"%d\" font-size=\"%s\" text-anchor=\"middle\" class=\"text\">%s</text>\n", left+width/2, top+38, size(len(l.packages)), name)
			left += width + gap
		}
		top += height
	}
	checkPicture(t, "docs/layers.svg", fmt.Sprintf(layersPicture, top+30, rows.String(), top+16))
}

// size is that of the letters in a row of n boxes.
func size(n int) string {
	if n > 6 {
		return "11"
	}
	return "13"
}

const layersPicture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 %d" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" role="img" aria-labelledby="title desc">
  <title id="title">The layers of stschain</title>
  <desc id="desc">The packages that programs import, in layers: each imports packages of its own layer and of those below, and the root package imports none of them.</desc>
  <style>
    .text { fill: #1f2430 } .faint { fill: #5a6272 } .box { fill: #eef3f9; stroke: #2f6fb3; stroke-width: 1.2 } .root { fill: #e6f3ea; stroke: #2d7d46; stroke-width: 1.5 }
    @media (prefers-color-scheme: dark) {
      .text { fill: #e6edf3 } .faint { fill: #9da7b3 } .box { fill: #1c2733; stroke: #5b93cc } .root { fill: #16291d; stroke: #4fae6d }
    }
  </style>
  <text x="24" y="32" font-size="17" font-weight="600" class="text">Each package imports those of its own layer and of the layers below</text>
%s  <text x="24" y="%d" font-size="12" class="faint">ststest, the fake for tests, is aside: it imports the root package only, and shares no code with what it tests.</text>
</svg>
`
