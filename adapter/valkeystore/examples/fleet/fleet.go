package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"

	"github.com/stschain-go/stschain/ststest"
)

// environment is that of the processes: where STS is, base credentials, and the keys of the fleet. Real processes get the keys
// from a secret store, since other processes of the user can read an environment.
func environment(sts *ststest.Server) []string {
	user := sts.User().Credentials
	key := make([]byte, 64)
	rand.Read(key) // never fails
	return append(os.Environ(),
		"FLEET_STS="+sts.URL(),
		"FLEET_KEY="+hex.EncodeToString(key[:32]),
		"FLEET_NAMING_KEY="+hex.EncodeToString(key[32:]),
		"AWS_ACCESS_KEY_ID="+user.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY="+user.SecretAccessKey.Reveal(),
		"AWS_SESSION_TOKEN=", "AWS_CREDENTIAL_EXPIRATION=",
	)
}

// fleet is the processes.
type fleet struct {
	env []string

	mu      sync.Mutex
	members map[string]*member // by process ID
}

// member is a process of the fleet.
type member struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	first  chan string // the first line of output, if there is one
	ended  chan struct{}
	killed bool // under fleet.mu
	err    error
}

// start starts processes, and returns when each has credentials or was killed.
func (f *fleet) start(ctx context.Context, n int, store string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	var started []*member
	for range n {
		cmd := exec.Command(program, "process")
		cmd.Env = append(f.env[:len(f.env):len(f.env)], "FLEET_STORE="+store)
		cmd.Stderr = os.Stderr
		m := &member{cmd: cmd, first: make(chan string, 1), ended: make(chan struct{})}
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		m.stdin = stdin
		f.mu.Lock() // so that a process that calls STS at once is found
		if err := cmd.Start(); err != nil {
			f.mu.Unlock()
			return err
		}
		if f.members == nil {
			f.members = map[string]*member{}
		}
		f.members[strconv.Itoa(cmd.Process.Pid)] = m
		f.mu.Unlock()
		go m.follow(stdout)
		started = append(started, m)
	}
	for _, m := range started {
		select {
		case <-m.first:
		case <-m.ended:
			if err := f.outcome(m); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// follow reads the output of a process until it ends.
func (m *member) follow(stdout io.Reader) {
	defer close(m.ended)
	last := ""
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if last == "" {
			m.first <- lines.Text()
		}
		last = lines.Text()
	}
	if err := m.cmd.Wait(); err != nil {
		m.err = fmt.Errorf("process %d: %w: %s", m.cmd.Process.Pid, err, last)
	}
}

// outcome returns why a process that ended failed, unless it was killed.
func (f *fleet) outcome(m *member) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.killed {
		return nil
	}
	return m.err
}

// kill kills a process, as kill -9 does.
func (f *fleet) kill(pid string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[pid]; m != nil {
		m.killed = true
		m.cmd.Process.Kill()
		delete(f.members, pid)
	}
}

// killSome kills processes, and returns when they have ended.
func (f *fleet) killSome(n int) {
	f.mu.Lock()
	chosen := map[string]*member{}
	for pid, m := range f.members {
		if len(chosen) < n {
			chosen[pid] = m
		}
	}
	f.mu.Unlock()
	for pid, m := range chosen {
		f.kill(pid)
		<-m.ended
	}
}

// running returns how many processes run.
func (f *fleet) running() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		select {
		case <-m.ended:
		default:
			n++
		}
	}
	return n
}

// stop ends all processes, and returns the errors of those that failed.
func (f *fleet) stop() error {
	f.mu.Lock()
	members := f.members
	f.members = nil
	f.mu.Unlock()
	for _, m := range members {
		m.stdin.Close()
	}
	var errs []error
	for _, m := range members {
		<-m.ended
		errs = append(errs, m.err)
	}
	return errors.Join(errs...)
}
