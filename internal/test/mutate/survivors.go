package main

import (
	"bufio"
	_ "embed"
	"fmt"
	"os"
	"strings"
	"sync"
)

//go:embed survivors.txt
var survivors string

// readSurvivors returns the reason of each mutant that is listed.
func readSurvivors() (map[string]string, error) {
	reasons := map[string]string{}
	for line := range strings.Lines(survivors) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m, reason, _ := strings.Cut(line, "\t")
		if _, twice := reasons[m]; reason == "" || twice {
			return nil, fmt.Errorf("survivors.txt: %w: %s", errNoReason, line)
		}
		reasons[m] = reason
	}
	return reasons, nil
}

// results is a log of killers, so that a run that was stopped goes on where it was.
type results struct {
	mu     sync.Mutex
	file   *os.File
	killed map[string]string
}

func openLog(name string) (*results, error) {
	r := &results{killed: map[string]string{}}
	if name == "" {
		return r, nil
	}
	var err error
	if r.file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	s := bufio.NewScanner(r.file)
	for s.Scan() {
		if m, killer, ok := strings.Cut(s.Text(), "\t"); ok && killer != "" {
			r.killed[m] = killer
		}
	}
	return r, s.Err()
}

func (r *results) killer(m mutant) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.killed[m.String()]
}

func (r *results) add(m mutant, killer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil && r.killed[m.String()] == "" {
		fmt.Fprintf(r.file, "%s\t%s\n", m, killer)
	}
}

func (r *results) Close() {
	if r.file != nil {
		r.file.Close()
	}
}
