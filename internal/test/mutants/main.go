// Command mutants breaks the refresh engine on purpose, in one place at a time, and runs the tests: each mutant
// must make one fail. A mutant that survives is a rule that no test checks.
//
//	go run ./internal/test/mutants                              # from the root of the module
//	go run ./internal/test/mutants -packages ./internal/refresh -run TestSimulation
//
// It changes no file: go test reads the mutant through an overlay. It fails if a mutant survives, does not
// compile, or no longer applies because the text that it replaces has changed.
package main

import (
	"bytes"
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

const folder = "internal/refresh"

var (
	packages = flag.String("packages", "./internal/refresh .", "the packages whose tests run, one after the other until one fails")
	tests    = flag.String("run", "", "only these tests, as go test -run")
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
	if killers, err := test(""); err != nil || len(killers) > 0 {
		return errors.Join(fmt.Errorf("the tests must pass without a mutant, and these fail: %v", killers), err)
	}
	var killed, survived, broken int
	for _, m := range mutants {
		if !strings.Contains(m.breaks, *only) {
			continue
		}
		overlay, err := m.overlay(dir)
		var killers []string
		if err == nil {
			killers, err = test(overlay)
		}
		switch {
		case err != nil:
			broken++
			fmt.Printf("BROKEN    %s: %v\n", m.breaks, err)
		case len(killers) == 0:
			survived++
			fmt.Printf("SURVIVED  %s (%s: %q)\n", m.breaks, m.file, m.new)
		default:
			killed++
			fmt.Printf("killed    %s: %s\n", m.breaks, strings.Join(killers, ", "))
		}
	}
	fmt.Printf("%d killed, %d survived, %d broken\n", killed, survived, broken)
	if survived+broken > 0 || killed == 0 {
		return errors.New("every mutant must be killed")
	}
	return nil
}

// mutant is one edit of one file of the engine.
type mutant struct {
	file     string // in folder
	old, new string // old occurs once
	breaks   string // the rule that is broken
}

func (m mutant) apply() ([]byte, error) {
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
func (m mutant) overlay(dir string) (string, error) {
	code, err := m.apply()
	if err != nil {
		return "", err
	}
	original, err := filepath.Abs(filepath.Join(folder, m.file))
	if err != nil {
		return "", err
	}
	copied, overlay := filepath.Join(dir, m.file), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{original: copied}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(copied, code, 0o600), os.WriteFile(overlay, list, 0o600))
}

var (
	failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)
	timeout    = regexp.MustCompile(`(?m)^panic: test timed out`)
)

// test returns the tests that fail with an overlay, of the first package that has any.
func test(overlay string) ([]string, error) {
	for _, pkg := range strings.Fields(*packages) {
		cmd := exec.Command("go", "test", "-short", "-vet=off", "-timeout=5m", "-run="+*tests, "-overlay="+overlay, pkg)
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
		if len(killers) == 0 {
			return nil, fmt.Errorf("%s: %w\n%s", pkg, err, out)
		}
		slices.Sort(killers)
		return slices.Compact(killers), nil
	}
	return nil, nil
}
