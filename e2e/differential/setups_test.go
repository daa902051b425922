package differential_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	setupInputs = flag.Int("setups", 200, "how many setups are resolved")
	python      = flag.String("python", "/usr/bin/python3", "the Python whose botocore resolves them too")
)

// TestSetups compares where this library, aws-sdk-go-v2 and botocore find credentials. Each difference must be one of
// docs/differences.md.
func TestSetups(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	botocore := newBotocore(t, *python, home)
	counts := tally{}
	unexplained := 0
	for i := range *setupInputs {
		seed := *first + uint64(i)
		r := drawing(seed)
		s := newSetup(r, home)
		main := classes[seed%uint64(len(classes))]
		switch r.IntN(5) { // a fifth is of no class on purpose, and a fifth of two
		case 0:
		case 1:
			s.arrange(r, main)
			s.arrange(r, oneOf(r, classes...))
		default:
			s.arrange(r, main)
		}
		s.write(t, r)
		ours, theirs := s.resolve(botocore)
		alike, explained := true, map[string]bool{}
		for name, result := range theirs {
			alike = alike && ours.equal(result)
			if ours.equal(result) && (ours.Error != "" || slices.Equal(ours.Calls, result.Calls)) {
				continue
			}
			class := explain(name, s, ours, result)
			if class == "" {
				t.Errorf("seed %d: %v\nours     %+v\n%-8s %+v", seed, s, ours, name, result)
				unexplained++
				continue
			}
			explained[class] = true
		}
		if len(s.arranged) > 0 && main.same != nil && alike && main.same(s, ours) {
			explained[main.name] = true
		}
		for name := range explained {
			counts[name]++
		}
		require.Less(t, unexplained, 10, "too many differences")
		os.RemoveAll(s.dir)
	}
	counts.report(t, *setupInputs)
	for _, c := range classes {
		if botocore != nil && *setupInputs >= 2000 && counts[c.name] < 20 {
			t.Errorf("%s: %d setups, want at least 20", c.name, counts[c.name])
		}
	}
}

// TestSetupClasses: the document lists the classes, and no other.
func TestSetupClasses(t *testing.T) {
	text, err := os.ReadFile("../../docs/differences.md")
	require.NoError(t, err)
	var documented, names []string
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z-]+) \|`).FindAllStringSubmatch(string(text), -1) {
		if row[1] != "class" {
			documented = append(documented, row[1])
		}
	}
	for _, c := range classes {
		names = append(names, c.name)
	}
	require.ElementsMatch(t, names, documented)
}

func (s *setup) arrange(r random, c class) {
	s.arranged = append(s.arranged, c.name)
	c.arrange(r, s)
}

// resolve runs all libraries on the setup.
func (s *setup) resolve(botocore library) (ours result, theirs map[string]result) {
	done := make(chan result, 1)
	if botocore != nil {
		go func() { done <- botocore(&network{setup: s}) }()
	}
	restore := setEnv(s.env)
	ours = stschainSetup(&network{setup: s})
	theirs = map[string]result{"Go": goSDK(&network{setup: s})}
	restore()
	if botocore != nil {
		theirs["botocore"] = <-done
	}
	return ours, theirs
}
