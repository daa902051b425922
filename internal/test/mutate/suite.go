package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// suite is the test binary of one package.
type suite struct {
	folder, binary, dir string
	tests               []test // those that pass without a mutant and reach one, the fastest first
	initial             []byte // what is reached before the first test, by the number of a mutant
}

type test struct {
	name    string
	cpu     time.Duration // what the order is by: other programs do not change it
	takes   time.Duration
	reaches []byte // by the number of a mutant
}

// repeats reports whether go test -count runs t between two runs of nextTest. Others need a process for each mutant, and come last.
func (t test) repeats() bool { return strings.HasPrefix(t.name, "Test") }

// slow is the killer of a mutant that did not end.
const slow = "the time limit"

type sourceLine struct {
	file string
	line int
}

var compileError = regexp.MustCompile(`(?m)^(?:\./)?([^\s:]+\.go):(\d+):(?:\d+:)? (.+)`)

// compile returns the lines that do not compile.
func (s *suite) compile(overlay string) ([]sourceLine, error) {
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-gcflags=-e", "-overlay="+overlay, "-o", s.binary, "./"+s.folder).CombinedOutput()
	if err == nil {
		return nil, nil
	}
	var lines []sourceLine
	for _, m := range compileError.FindAllSubmatch(out, -1) {
		fmt.Printf("%s\n", m[0])
		n, _ := strconv.Atoi(string(m[2]))
		lines = append(lines, sourceLine{string(m[1]), n})
	}
	return lines, fmt.Errorf("%w\n%s", err, out)
}

// measure runs each test alone, without a mutant, and keeps those that pass and reach one.
func (s *suite) measure(mutants int) {
	out, err := s.command(context.Background(), "-test.list=^(Test|Fuzz|Example)").Output()
	if err != nil {
		panic(err) // the binary was just built
	}
	names := slices.DeleteFunc(strings.Fields(string(out)), func(name string) bool { return name == nextTest })
	if *skipped != "" {
		names = slices.DeleteFunc(names, regexp.MustCompile(*skipped).MatchString)
	}
	tests := make([]test, len(names))
	each(len(names), func(i int) {
		var err error
		if tests[i], err = s.measureTest(names[i], mutants); err != nil {
			fmt.Printf("not used: %v\n", err)
		}
	})
	s.tests = slices.DeleteFunc(tests, func(t test) bool { return !slices.Contains(t.reaches, 1) })
	slices.SortFunc(s.tests, func(a, b test) int {
		if a.repeats() != b.repeats() {
			return cmp.Or(map[bool]int{true: -1}[a.repeats()], 1)
		}
		return cmp.Compare(a.cpu, b.cpu)
	})
	if t, err := s.measureTest("", mutants); err == nil {
		s.initial = t.reaches
	}
}

func (s *suite) measureTest(name string, mutants int) (test, error) {
	reached := filepath.Join(s.dir, "reached"+name+"."+filepath.Base(s.binary))
	if err := os.WriteFile(reached, make([]byte, mutants+2), 0o600); err != nil {
		return test{}, err
	}
	defer os.Remove(reached)
	cmd := s.command(context.Background(), "-test.run=^"+name+"$", "-test.timeout=5m")
	cmd.Env = append(cmd.Env, "STSCHAIN_MUTANTS_REACHED="+reached)
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return test{}, fmt.Errorf("%s fails without a mutant: %w\n%.500s", name, err, out)
	}
	t := test{name: name, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), takes: time.Since(began)}
	var err error
	t.reaches, err = os.ReadFile(reached)
	return t, err
}

func (s *suite) reach(id int) bool {
	return slices.ContainsFunc(s.tests, func(t test) bool { return t.reaches[id] == 1 })
}

var failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

func (s *suite) runMutant(id int, tests []string, limit time.Duration) string {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := s.command(ctx, "-test.run=^("+strings.Join(tests, "|")+")$", "-test.failfast")
	cmd.Env = append(cmd.Env, "STSCHAIN_MUTANT="+strconv.Itoa(id))
	out, err := cmd.CombinedOutput()
	switch m := failedTest.FindSubmatch(out); {
	case err == nil:
		return ""
	case ctx.Err() != nil:
		return slow
	case m != nil:
		return string(m[1])
	default:
		return "a crash"
	}
}

// command runs the test binary in its folder. On Unix, the processes that it starts end with it.
func (s *suite) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.binary, append(args, "-test.short", "-test.paniconexit0")...)
	cmd.Dir = s.folder
	cmd.Env = append(os.Environ(), "TMPDIR="+s.dir)
	group(cmd)
	cmd.WaitDelay = time.Second
	return cmd
}

var errNoReason = errors.New("each line is a mutant, a tab and the reason why it survives")
