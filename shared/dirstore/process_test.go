//go:build unix

package dirstore_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/dirstore"
)

var (
	processes = flag.Int("dirstore.processes", 20, "processes of TestProcesses")
	duration  = flag.Duration("dirstore.time", 6*time.Second, "time of TestProcesses")
)

const (
	process = "STSCHAIN_TEST_PROCESS" // the variable that makes the test binary use this directory until it is killed
	leaser  = "STSCHAIN_TEST_LEASER"  // that makes it take leases
	journal = "STSCHAIN_TEST_JOURNAL" // the file that it writes what happened to
	ttl     = 300 * time.Millisecond
)

var processKeys = []string{strings.Repeat("1", 64), strings.Repeat("2", 64), strings.Repeat("3", 64), strings.Repeat("4", 64)}

// happened is a line of a journal.
type happened struct {
	Bad string `json:",omitempty"` // what must not happen

	Key        string `json:",omitempty"`
	Generation uint64 `json:",omitempty"` // of which a Save was kept

	Lease      string    `json:",omitempty"` // its owner
	Began      time.Time // before it was taken
	Taken, End time.Time // afterwards; before it was given up
}

// worker is a caller in a process.
type worker struct {
	store   *dirstore.Store
	journal io.Writer
	random  *rand.Rand
}

func (w *worker) write(h happened) {
	line, _ := json.Marshal(h)
	_, _ = w.journal.Write(append(line, '\n')) // in one piece, so that a killed process leaves whole lines
}

func (w *worker) bad(format string, args ...any) {
	w.write(happened{Bad: fmt.Sprintf(format, args...)})
}

// sealed returns a value that shows whether it is whole, and the generation that it was saved for.
func (w *worker) sealed(generation uint64) []byte {
	body := fmt.Appendf(nil, "%d %s", generation, bytes.Repeat([]byte{byte(w.random.Uint32())}, w.random.IntN(32<<10)))
	sum := sha256.Sum256(body)
	return append(sum[:], body...)
}

func (w *worker) check(v shared.Value) {
	if len(v.Sealed) < sha256.Size {
		w.bad("the value has %d bytes", len(v.Sealed))
		return
	}
	var saved uint64
	sum := sha256.Sum256(v.Sealed[sha256.Size:])
	_, _ = fmt.Sscanf(string(v.Sealed[sha256.Size:]), "%d", &saved)
	if !bytes.Equal(sum[:], v.Sealed[:sha256.Size]) || saved+1 != v.Generation {
		w.bad("the value of generation %d is torn, or of another generation: %d", v.Generation, saved)
	}
}

// work uses the store for ever. Errors are those of a process that was stopped for longer than the limit of an operation.
func (w *worker) work() {
	for {
		w.turn(processKeys[w.random.IntN(len(processKeys))], fmt.Sprint(os.Getpid(), " ", w.random.Uint64()))
		time.Sleep(time.Duration(w.random.Int64N(int64(20 * time.Millisecond))))
	}
}

func (w *worker) turn(key, owner string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ok := func(what string, err error) bool {
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			w.bad("%s: %v", what, err)
		}
		return err == nil
	}
	h := happened{Lease: owner, Key: key, Began: time.Now()}
	pause := w.random.IntN(8) == 0
	lease, err := w.store.Lease(ctx, key, owner, pause, ttl)
	if !ok("Lease", err) {
		return
	}
	if lease.Left > ttl {
		w.bad("a lease has %v left", lease.Left)
	}
	if h.Taken = time.Now(); lease.Owner == owner {
		w.write(h)
	}
	v, err := w.store.Load(ctx, key)
	switch {
	case err == nil:
		w.check(v)
	case !errors.Is(err, shared.ErrMissing):
		ok("Load", err)
		return
	}
	if lease.Owner != owner && w.random.IntN(4) != 0 { // some save without a lease
		return
	}
	time.Sleep(time.Duration(w.random.Int64N(int64(ttl / 2))))
	if lease.Owner == owner && w.random.IntN(2) == 0 {
		h.Began = time.Now()
		again, err := w.store.Lease(ctx, key, owner, pause, ttl)
		if !ok("Lease", err) {
			return
		}
		if h.Taken = time.Now(); again.Owner != owner {
			return
		}
		w.write(h)
	}
	h.End = time.Now()
	w.write(h)
	switch w.random.IntN(5) {
	case 0:
		_, err = w.store.Lease(ctx, key, owner, false, 0)
		ok("Lease", err)
	case 1:
		ok("Revoke", w.store.Revoke(ctx, key, v.Generation))
	case 2: // neither
	default:
		kept, err := w.store.Save(ctx, key, owner, shared.Value{Sealed: w.sealed(v.Generation), Left: time.Minute, Generation: v.Generation})
		if ok("Save", err) && kept {
			w.write(happened{Key: key, Generation: v.Generation})
		}
	}
}

// runProcess uses the directory with two workers, until its standard input ends.
func runProcess(dir string) {
	f, err := os.OpenFile(os.Getenv(journal), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		panic(err)
	}
	store := &dirstore.Store{Dir: dir}
	for range 2 {
		w := &worker{store, f, rand.New(rand.NewPCG(rand.Uint64(), 0))}
		go w.work()
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// child is a process of the test.
type child struct {
	*exec.Cmd
	journal string
	killed  time.Time // before it was
}

func (c *child) kill(t *testing.T) {
	c.killed = time.Now()
	require.NoError(t, c.Process.Kill())
	_ = c.Wait()
}

// Processes are killed and stopped at random moments.
func TestProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	dir, journals := filepath.Join(t.TempDir(), "store"), t.TempDir()
	var all, running []*child
	start := func() *child {
		c := &child{Cmd: exec.Command(os.Args[0]), journal: filepath.Join(journals, fmt.Sprint(len(all)))}
		c.Env = append(os.Environ(), process+"="+dir, journal+"="+c.journal)
		c.Stderr = os.Stderr
		_, err := c.StdinPipe() // it ends with this process
		require.NoError(t, err)
		require.NoError(t, c.Start())
		all = append(all, c)
		return c
	}
	defer func() {
		for _, c := range running {
			_ = c.Process.Kill()
		}
	}()
	for range *processes {
		running = append(running, start())
	}

	done := make(chan struct{})
	var group sync.WaitGroup
	watched := watch(dir, done, &group)
	const step = 20 * time.Millisecond
	stopped := map[int]int{} // the steps until they continue
	kills, stops := 0, 0
	for began := time.Now(); time.Since(began) < *duration; time.Sleep(step) {
		i := rand.IntN(len(running))
		switch _, isStopped := stopped[i]; {
		case rand.IntN(3) == 0: // also stopped ones
			running[i].kill(t)
			running[i] = start()
			delete(stopped, i)
			kills++
		case !isStopped && len(stopped) < len(running)/2:
			require.NoError(t, running[i].Process.Signal(syscall.SIGSTOP))
			stopped[i] = rand.IntN(100)
			stops++
		}
		for i, left := range stopped {
			if stopped[i] = left - 1; left == 0 {
				require.NoError(t, running[i].Process.Signal(syscall.SIGCONT))
				delete(stopped, i)
			}
		}
	}
	for _, c := range running {
		c.kill(t)
	}
	running = nil
	close(done)
	group.Wait()
	require.NoError(t, <-watched)

	// What they left is in no way.
	store := &dirstore.Store{Dir: dir}
	for _, key := range processKeys {
		var lease shared.Lease
		for began := time.Now(); lease.Owner != "last" && time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
			var err error
			lease, err = store.Lease(t.Context(), key, "last", false, time.Hour)
			require.NoError(t, err)
			require.True(t, lease.Owner == "last" || lease.Left <= ttl, "only a pause outlives its process, and not for longer")
		}
		require.Equal(t, "last", lease.Owner)
		files, err := os.ReadDir(filepath.Join(dir, key))
		require.NoError(t, err)
		require.Len(t, files, 3, "a record, its pointer, and a lock")
	}
	leases, saves := requireJournals(t, all)
	t.Logf("%d processes, %d kills, %d stops, %d leases, %d saves", *processes, kills, stops, leases, saves)
	require.NotZero(t, leases)
	require.NotZero(t, saves)
}

// watch uses the store while others are stopped: no operation is blocked by them.
func watch(dir string, done chan struct{}, group *sync.WaitGroup) chan error {
	result := make(chan error, 1)
	group.Go(func() {
		store := &dirstore.Store{Dir: dir}
		for {
			select {
			case <-done:
				result <- nil
				return
			case <-time.After(20 * time.Millisecond):
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			lease, err := store.Lease(ctx, processKeys[0], "the watcher", false, time.Millisecond)
			if err == nil && lease.Left > ttl {
				err = fmt.Errorf("a lease has %v left", lease.Left)
			}
			cancel()
			if err != nil {
				result <- err
				return
			}
		}
	})
	return result
}

// A lease ends with its process, but not one for a pause.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), leaser+"="+dir)
	stdin, err := c.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	stdout, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	ready, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", ready)

	store := &dirstore.Store{Dir: dir}
	owner := func(key string) string {
		lease, err := store.Lease(t.Context(), key, "test", false, time.Minute)
		require.NoError(t, err)
		return lease.Owner
	}
	require.NoError(t, c.Process.Signal(syscall.SIGSTOP))
	require.Equal(t, "child", owner(one))
	require.NoError(t, c.Process.Kill())
	require.Error(t, c.Wait())
	require.Equal(t, "test", owner(one))
	require.Equal(t, "child", owner(two))
}

// runLeaser takes a lease of each kind, and keeps them until its standard input ends.
func runLeaser(dir string) {
	store := &dirstore.Store{Dir: dir}
	for key, pause := range map[string]bool{one: false, two: true} {
		if _, err := store.Lease(context.Background(), key, "child", pause, time.Hour); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// requireJournals checks what happened, and returns the number of leases and Saves.
func requireJournals(t *testing.T, all []*child) (leases, saves int) {
	type interval struct {
		owner      string
		begin, end time.Time
	}
	intervals := map[string][]interval{} // by key
	kept := map[string]bool{}
	for _, c := range all {
		content, err := os.ReadFile(c.journal)
		if errors.Is(err, os.ErrNotExist) {
			continue // it was killed before it began
		}
		require.NoError(t, err)
		open := map[string]happened{} // by owner
		closed := func(h happened, end time.Time) {
			// A lease surely lasts from when it was returned until ttl after it was requested.
			if last := h.Began.Add(ttl); last.Before(end) {
				end = last
			}
			if h.Taken.Before(end) {
				intervals[h.Key] = append(intervals[h.Key], interval{h.Lease, h.Taken, end})
			}
		}
		for line := range strings.Lines(string(content)) {
			var h happened
			require.NoError(t, json.Unmarshal([]byte(line), &h), line)
			require.Empty(t, h.Bad)
			before, isOpen := open[h.Lease]
			switch {
			case h.Lease == "":
				id := fmt.Sprint(h.Key, h.Generation)
				require.False(t, kept[id], "two Saves of generation %d were kept", h.Generation)
				kept[id] = true
				saves++
			case !h.End.IsZero():
				if isOpen {
					closed(before, h.End)
				}
				delete(open, h.Lease)
			default:
				if isOpen { // renewed
					closed(before, h.Taken)
				}
				open[h.Lease] = h
				leases++
			}
		}
		for _, h := range open {
			closed(h, c.killed)
		}
	}
	for key, all := range intervals {
		slices.SortFunc(all, func(a, b interval) int { return a.begin.Compare(b.begin) })
		last := all[0] // that which ends last, so far
		for _, next := range all[1:] {
			if next.owner != last.owner {
				require.False(t, next.begin.Before(last.end), "key %.4s: %s and %s have the lease for %v", key, last.owner, next.owner, last.end.Sub(next.begin))
			}
			if next.end.After(last.end) {
				last = next
			}
		}
	}
	return leases, saves
}
