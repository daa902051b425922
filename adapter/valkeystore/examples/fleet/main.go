// Fleet shows fifty processes that share one role through a server, Valkey or Redis: one of them calls STS, and the others use
// what it obtained. Processes are killed meanwhile, the one that calls STS among them, and the server loses everything.
//
//	go run ./examples/fleet
//
// It needs nothing: it starts valkey-server or redis-server, and uses a directory if neither is installed. STS is a fake in the
// parent process, and each process of the fleet is this program with the argument "process". process.go is what they run.
// docs/how-to/fleet.md explains what to decide for a real fleet.
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
	run, ok := demonstrate, "ok: the processes shared one role, and survived what was killed and lost"
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
	engine := newEngine(filepath.Join(temp, "shared"))
	defer engine.stop()
	if err := engine.start(ctx); err != nil {
		return err
	}

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
	step := func(what, store string, processes, least, most int) error {
		began, before := time.Now(), sts.Count("AssumeRole")
		if err := f.start(ctx, processes, store); err != nil {
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
	if err := step("50 processes share a "+engine.name+"; the one that calls STS is killed, and another one takes over", engine.address, size, 2, limit); err != nil {
		return err
	}
	f.killSome(killed)
	if err := step("20 of them are killed, and 20 new ones use what is there", engine.address, killed, 0, limit); err != nil {
		return err
	}
	if err := engine.lose(ctx); err != nil {
		return err
	}
	if err := step("the "+engine.name+" loses everything, and 20 new ones start; the others use what they have", engine.address, killed, 1, limit); err != nil {
		return err
	}
	if running := f.running(); running != size-1+killed {
		return fmt.Errorf("%d processes are running, and %d were expected", running, size-1+killed)
	}
	return f.stop()
}
