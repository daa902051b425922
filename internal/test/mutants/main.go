// Command mutants breaks the refresh engine, Pool and the shared tier on purpose, in one place at a time, and runs the tests: each mutant
// must make one fail. A mutant that survives is a rule that no test checks.
//
//	go run ./internal/test/mutants                              # from the root of the module
//	go run ./internal/test/mutants -of pool
//	go run ./internal/test/mutants -of engine -packages ./internal/refresh -run TestSimulation
//
// It changes no file: go test reads the mutant through an overlay. It fails if a mutant survives, does not
// compile, or no longer applies because the text that it replaces has changed.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// suite is mutants of the files of one folder, with the tests that must find them.
type suite struct {
	name, folder string
	packages     string // whose tests run, one after the other until one fails
	tests        string // as go test -run
	mutants      []mutant
}

var suites = []suite{
	{"engine", "internal/refresh", "./internal/refresh .", "", engineMutants},
	{"pool", ".", ".", "TestPool", poolMutants},
	{"shared", "shared", "./shared ./shared/storetest", "^Test([^F]|Failover)", sharedMutants},
}

var (
	of       = flag.String("of", "", "only this suite: engine, pool or shared")
	packages = flag.String("packages", "", "other packages than those of the suite")
	tests    = flag.String("run", "", "other tests than those of the suite, as go test -run")
	only     = flag.String("only", "", "only mutants whose description contains this")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var total counts
	for _, s := range suites {
		if *of != "" && *of != s.name {
			continue
		}
		s.packages, s.tests = cmp.Or(*packages, s.packages), cmp.Or(*tests, s.tests)
		if err := s.run(dir, &total); err != nil {
			return err
		}
	}
	fmt.Printf("%d killed, %d survived, %d broken\n", total.killed, total.survived, total.broken)
	if total.survived+total.broken > 0 || total.killed == 0 {
		return errors.New("every mutant must be killed")
	}
	return nil
}

type counts struct{ killed, survived, broken int }

func (s suite) run(dir string, total *counts) error {
	if killers, err := s.test(""); err != nil || len(killers) > 0 {
		return errors.Join(fmt.Errorf("the tests must pass without a mutant, and these fail: %v", killers), err)
	}
	for _, m := range s.mutants {
		if !strings.Contains(m.breaks, *only) {
			continue
		}
		overlay, err := m.overlay(s.folder, dir)
		var killers []string
		if err == nil {
			killers, err = s.test(overlay)
		}
		switch {
		case err != nil:
			total.broken++
			fmt.Printf("BROKEN    %s: %v\n", m.breaks, err)
		case len(killers) == 0:
			total.survived++
			fmt.Printf("SURVIVED  %s (%s: %q)\n", m.breaks, m.file, m.new)
		default:
			total.killed++
			fmt.Printf("killed    %s: %s\n", m.breaks, strings.Join(killers, ", "))
		}
	}
	return nil
}

// mutant is one edit of one file.
type mutant struct {
	file     string // in the folder of its suite
	old, new string // old occurs once
	breaks   string // the rule that is broken
}

func (m mutant) apply(folder string) ([]byte, error) {
	path := filepath.Join(folder, m.file)
	code, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(code, []byte(m.old)); n != 1 || m.old == m.new {
		return nil, fmt.Errorf("%s has %d times, want once: %q", path, n, m.old)
	}
	return bytes.Replace(code, []byte(m.old), []byte(m.new), 1), nil
}

// overlay writes the mutant to dir, and returns the file that go test -overlay takes.
func (m mutant) overlay(folder, dir string) (string, error) {
	code, err := m.apply(folder)
	if err != nil {
		return "", err
	}
	original, err := filepath.Abs(filepath.Join(folder, m.file))
	if err != nil {
		return "", err
	}
	copied, overlay := filepath.Join(dir, filepath.Base(m.file)), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{original: copied}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(copied, code, 0o600), os.WriteFile(overlay, list, 0o600))
}

var (
	failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)
	timeout    = regexp.MustCompile(`(?m)^panic: test timed out`)
	crash      = regexp.MustCompile(`(?m)^(panic|fatal error): `)
)

// test returns the tests that fail with an overlay, of the first package that has any.
func (s suite) test(overlay string) ([]string, error) {
	for _, pkg := range strings.Fields(s.packages) {
		cmd := exec.Command("go", "test", "-short", "-vet=off", "-timeout=5m", "-run="+s.tests, "-overlay="+overlay, pkg)
		out, err := cmd.CombinedOutput()
		if err == nil {
			continue
		}
		var killers []string
		for _, match := range failedTest.FindAllSubmatch(out, -1) {
			killers = append(killers, string(match[1]))
		}
		if timeout.Match(out) {
			killers = append(killers, "the time limit")
		}
		if len(killers) == 0 && crash.Match(out) {
			killers = append(killers, "a crash")
		}
		if len(killers) == 0 {
			return nil, fmt.Errorf("%s: %w\n%s", pkg, err, out)
		}
		slices.Sort(killers)
		return slices.Compact(killers), nil
	}
	return nil, nil
}
