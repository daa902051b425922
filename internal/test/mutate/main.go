// Command mutate tests the tests: it changes one operator, constant, condition, statement or result of a package at a time, and runs
// the tests that reach it. A change that no test notices is a survivor. It is listed in survivors.txt with the reason why no
// test can distinguish it from the code, or it is a test that is missing.
//
//	go run ./internal/test/mutate                                       # from the root of the module
//	go run ./internal/test/mutate -package sigv4 -log /tmp/mutants      # again: only what no test has killed yet
//	go run ./internal/test/mutate -package internal/refresh -sample 40
//
// It changes no file. Each package is built once with all its mutants, through go test -overlay, and an environment variable
// chooses the one that runs. It fails if a survivor is not listed, or a listed mutant is killed.
package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed runtime.go.txt
var runtime string

// target is a package with the packages whose tests must find its mutants, which run one after the other until one fails.
type target struct {
	folder string
	tests  []string
}

var targets = []target{
	{"internal/refresh", []string{"internal/refresh", "."}},
	{"internal/signature", []string{"internal/signature", "sigv4"}},
	{"sigv4", []string{"sigv4"}},
	{"shared", []string{"shared"}},
	{".", []string{"."}},
}

var (
	only     = flag.String("package", "", "only this package")
	match    = flag.String("match", "", "only mutants whose description contains this")
	sample   = flag.Int("sample", 0, "only so many mutants, chosen at random of those that are not listed")
	seed     = flag.Uint64("seed", 1, "what -sample chooses by")
	logName  = flag.String("log", "", "file that each result is appended to. Mutants that it has as killed do not run again")
	parallel = flag.Int("parallel", goruntime.GOMAXPROCS(0), "how many mutants run at the same time")
	budget   = flag.Duration("budget", 0, "how much CPU time of tests to spend on each mutant, beginning with the fastest; 0 runs all that reach it")
	skipped  = flag.String("skip", "", "tests that do not run: a regular expression that their names match")
	limit    = flag.Duration("limit", 10*time.Second, "added to ten times what the tests take without a mutant: a mutant that takes longer is killed")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run() error {
	known, err := readSurvivors()
	if err != nil {
		return err
	}
	log, err := openLog(*logName)
	if err != nil {
		return err
	}
	defer log.Close()
	var rows []row
	for _, t := range targets {
		if *only != "" && *only != t.folder {
			continue
		}
		r, err := t.run(known, log)
		if err != nil {
			return fmt.Errorf("%s: %w", t.folder, err)
		}
		rows = append(rows, r)
	}
	bad := 0
	fmt.Println("| package | mutants | killed | by the time limit | survivors explained | unexplained | no longer survive |")
	fmt.Println("|---|--:|--:|--:|--:|--:|--:|")
	for _, r := range rows {
		fmt.Printf("| %s | %d | %d | %d | %d | %d | %d |\n", r.name, r.mutants, r.killed, r.slow, r.explained, r.unexplained, r.stale)
		bad += r.unexplained + r.stale
	}
	if bad > 0 {
		return errors.New("survivors.txt must list the survivors")
	}
	return nil
}

type row struct {
	name                                                 string
	mutants, killed, slow, explained, unexplained, stale int
}

func (t target) run(known map[string]string, log *results) (row, error) {
	r := row{name: t.folder}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	suites, mutants, err := t.build(dir)
	if err != nil {
		return r, err
	}
	total := len(mutants)
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !strings.Contains(m.String(), *match) })
	if *sample > 0 {
		mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return known[m.String()] != "" })
		rand.New(rand.NewPCG(*seed, 0)).Shuffle(len(mutants), func(i, j int) { mutants[i], mutants[j] = mutants[j], mutants[i] })
		mutants = mutants[:min(*sample, len(mutants))]
	}
	killers := make([]string, len(mutants))
	for i, m := range mutants {
		killers[i] = log.killer(m)
	}
	for _, s := range suites {
		if !slices.Contains(killers, "") {
			break
		}
		s.measure(total)
		fmt.Printf("%s: %d mutants, %d tests of %s reach some\n", t.folder, total, len(s.tests), s.folder)
		s.sweep(mutants, killers, log)
	}

	for i, m := range mutants {
		r.mutants++
		_, listed := known[m.String()]
		switch {
		case killers[i] != "":
			r.killed++
			if killers[i] == slow {
				r.slow++
			}
			if listed {
				r.stale++
				fmt.Printf("KILLED    %s by %s, and survivors.txt lists it\n", m, killers[i])
			}
		case listed:
			r.explained++
		default:
			r.unexplained++
			reached := "reached"
			if !slices.ContainsFunc(suites, func(s *suite) bool { return s.reach(m.id) }) {
				reached = "not reached"
			}
			fmt.Printf("SURVIVED  %s (line %d, %s)\n", m, m.line, reached)
		}
	}
	return r, nil
}

// each calls f with each number below n, as many at the same time as -parallel says.
func each(n int, f func(i int)) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range *parallel {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// build compiles the tests of t against the package with all its mutants. Mutants that do not compile are not counted.
func (t target) build(dir string) ([]*suite, []mutant, error) {
	skip := map[string]map[int]bool{}
	for range 8 {
		name, files, mutants, err := load(t.folder, skip)
		if err != nil {
			return nil, nil, err
		}
		list, err := overlay(dir, t.folder, name, t.tests, files)
		if err != nil {
			return nil, nil, err
		}
		var suites []*suite
		failed := false
		for i, folder := range t.tests {
			s := &suite{folder: folder, binary: filepath.Join(dir, fmt.Sprintf("tests%d", i)), dir: dir}
			lines, err := s.compile(list)
			if len(lines) == 0 && err != nil {
				return nil, nil, err
			}
			for _, l := range lines {
				if skip[l.file] == nil {
					skip[l.file] = map[int]bool{}
				}
				skip[l.file][l.line], failed = true, true
			}
			suites = append(suites, s)
		}
		if !failed {
			mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return skip[m.file][m.line] })
			return suites, mutants, nil
		}
	}
	return nil, nil, errors.New("the mutants do not compile")
}
