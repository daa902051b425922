// Fleet shows fifty processes that share one role through a directory: one of them calls STS, and the others use what it
// obtained. Processes are killed meanwhile, the one that calls STS among them, and the directory is removed.
//
//	go run ./examples/fleet
//
// It needs nothing: STS is a fake in the parent process, and each process of the fleet is this program with the argument
// "process". process.go is what they run. On Valkey or Redis, see examples/fleet in the module adapter/valkeystore, and
// docs/how-to/fleet.md.
//
// The last line and the exit code say whether everything worked that should.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain/ststest"
)

const (
	size   = 50                     // processes of the fleet
	killed = 20                     // of them
	slow   = 300 * time.Millisecond // a call of STS
	limit  = size / 5               // calls in a step: a process of a busy machine may lose its lease, and another one calls
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	run, ok := demonstrate, "ok: the processes shared one role, and survived what was killed and removed"
	if len(os.Args) > 1 && os.Args[1] == "process" {
		run, ok = process, ""
	}
	if err := run(ctx); err != nil {
		fmt.Println("FAILED:", err)
		os.Exit(1)
	}
	if ok != "" {
		fmt.Println(ok)
	}
}

func demonstrate(ctx context.Context) (err error) {
	temp, err := os.MkdirTemp("", "fleet")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	dir := filepath.Join(temp, "shared")

	var f fleet
	var killCaller atomic.Bool
	sts := ststest.New()
	defer sts.Close()
	sts.OnCall = func(c ststest.Call) {
		time.Sleep(slow)
		if killCaller.CompareAndSwap(true, false) {
			f.kill(c.Header.Get(processHeader))
		}
	}
	f.env = environment(sts)
	defer f.stop() // before sts.Close and os.RemoveAll

	// step starts processes, waits until each has credentials, and checks how often they called STS.
	step := func(what, dir string, processes, least, most int) error {
		began, before := time.Now(), sts.Count("AssumeRole")
		if err := f.start(ctx, processes, dir); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		calls := sts.Count("AssumeRole") - before
		fmt.Printf("%3d calls of STS, %5d ms: %s\n", calls, time.Since(began).Milliseconds(), what)
		if calls < least || calls > most {
			return fmt.Errorf("%s: %d calls of STS, and %d to %d were expected", what, calls, least, most)
		}
		return nil
	}
	if err := step("50 processes, each on its own", "", size, size, size); err != nil {
		return err
	}
	if err := f.stop(); err != nil {
		return err
	}
	killCaller.Store(true)
	if err := step("50 processes share a directory; the one that calls STS is killed, and another one takes over", dir, size, 2, limit); err != nil {
		return err
	}
	f.killSome(killed)
	if err := step("20 of them are killed, and 20 new ones use what is there", dir, killed, 0, limit); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := step("the directory is removed, and 20 new ones start; the others use what they have", dir, killed, 1, limit); err != nil {
		return err
	}
	if running := f.running(); running != size-1+killed {
		return fmt.Errorf("%d processes are running, and %d were expected", running, size-1+killed)
	}
	return f.stop()
}
