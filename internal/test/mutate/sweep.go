package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sweep runs each test with all mutants that it reaches and that are not yet killed, the fastest test first. It sets their killers.
func (s *suite) sweep(mutants []mutant, killers []string, log *results) {
	var mu sync.Mutex
	index := map[int]int{}
	for i, m := range mutants {
		index[m.id] = i
	}
	killed := func(id int, by string) {
		if by == "" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		killers[index[id]] = by
		log.add(mutants[index[id]], by)
	}
	s.initialMutants(mutants, killers, killed)
	spent := make([]time.Duration, len(mutants))
	for n, t := range s.tests {
		var left []int
		for i, m := range mutants {
			if killers[i] != "" || t.reaches[m.id] == 0 {
				continue
			}
			if spent[i] += t.cpu; *budget == 0 || spent[i] <= *budget {
				left = append(left, m.id)
			}
		}
		fmt.Printf("%d/%d %s, %v CPU: %d mutants\n", n+1, len(s.tests), t.name, t.cpu, len(left))
		if !t.repeats() {
			each(len(left), func(i int) { killed(left[i], s.runMutant(left[i], []string{t.name}, 10*t.takes+*limit)) })
			continue
		}
		parts := min(*parallel, (len(left)+9)/10)
		each(parts, func(i int) { s.repeat(t, left[i*len(left)/parts:(i+1)*len(left)/parts], killed) })
	}
}

// initialMutants are reached before the first test, so that they need a process of their own.
func (s *suite) initialMutants(mutants []mutant, killers []string, killed func(int, string)) {
	var names []string
	var takes, cpu time.Duration
	for _, t := range s.tests {
		if cpu += t.cpu; *budget == 0 || cpu <= *budget {
			names, takes = append(names, t.name), takes+t.takes
		}
	}
	each(len(mutants), func(i int) {
		if id := mutants[i].id; killers[i] == "" && len(names) > 0 && s.initial != nil && s.initial[id] == 1 {
			killed(id, s.runMutant(id, names, 10*takes+*limit))
		}
	})
}

// repeat runs a test with each mutant, one after the other in one process. If that ends early, it goes on in another one.
func (s *suite) repeat(t test, ids []int, killed func(id int, by string)) {
	result := regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): ` + t.name + ` \(`)
	for len(ids) > 0 {
		list := append(append([]int(nil), ids...), 0) // and without any at the end
		cmd := s.command(context.Background(), "-test.run=^("+nextTest+"|"+t.name+")$", "-test.v", "-test.count="+strconv.Itoa(len(list)), "-test.timeout=0")
		cmd.Env = append(cmd.Env, "STSCHAIN_MUTANTS="+strings.Trim(fmt.Sprint(list), "[]"), "STSCHAIN_MUTANTS_LIMIT="+(10*t.takes+*limit).String())
		out, _ := cmd.CombinedOutput()
		var failed []int
		end := 0
		results := result.FindAllSubmatchIndex(out, -1)
		for i, at := range results {
			if string(out[at[2]:at[3]]) == "FAIL" {
				failed = append(failed, list[i])
			}
			end = at[1]
		}
		ran := len(results)
		clean := ran == len(list) && (len(failed) == 0 || failed[len(failed)-1] != 0)
		began := bytes.Contains(out[end:], []byte("=== RUN   "+t.name+"\n")) || end == 0
		for _, id := range failed {
			if id == 0 {
				continue
			}
			by := t.name
			if ran == len(list) && !clean { // a mutant broke the tests after it
				by = s.runMutant(id, []string{t.name}, 10*t.takes+*limit)
			}
			killed(id, by)
		}
		switch {
		case ran >= len(ids):
			return
		case !began: // the last one that failed ended the process
			ids = ids[ran:]
		case cmd.ProcessState.ExitCode() == 97:
			killed(ids[ran], slow)
			ids = ids[ran+1:]
		case len(failed) == 0:
			killed(ids[ran], t.name)
			ids = ids[ran+1:]
		default: // it may be the fault of one that failed before
			killed(ids[ran], s.runMutant(ids[ran], []string{t.name}, 10*t.takes+*limit))
			ids = ids[ran+1:]
		}
	}
}
