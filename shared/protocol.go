package shared

import (
	"time"

	"github.com/stschain-go/stschain/internal/refresh"
)

// The protocol is a pure state machine: an attempt gets the result of each operation, and returns the next one.
// The Provider performs the operations, and the tests explore all their interleavings.
//
// What an attempt does:
//
//	load    a fresh value is returned
//	lease   another one has it: a valid value is returned, otherwise wait and load again
//	load    as the owner: a value that another owner saved in between is returned, and the lease freed
//	call    the provider, while the lease is renewed
//	save    the result, which ends the lease

const (
	gain      = time.Second      // a result gains something if it outlives the value by this
	young     = 30 * time.Second // a value is neither revoked nor replaced before it has this age
	maxLife   = 36 * time.Hour   // of a value; longer than that of any credentials of STS
	firstPoll = 20 * time.Millisecond
	maxPoll   = 400 * time.Millisecond
)

// rules are the durations that a Provider configures.
type rules struct {
	Lease, Wait time.Duration
	AtLeast     time.Duration // of RetrieveFor
}

// view is what a Load brought, as this process sees it. Instants, such as Until, are durations since an epoch.
type view struct {
	Kind       viewKind
	Generation uint64
	ID         string
	Life       time.Duration // when it was issued
	Left       time.Duration // by the store's clock
	Until      time.Duration // when it ends
}

type viewKind int

const (
	missing  viewKind = iota // or it does not open, is not what this key may have, or ends before credentials that this process has
	usable                   // it can be returned
	rejected                 // a service rejected it, as this process saw
	ended                    // it has expired by the clock of this process, but not by that of the store
)

func (v view) age() time.Duration { return v.Life - v.Left }

// window is how long before its end a value is refreshed. It is as wide as the widest window of a Cache, since a
// Cache in its window would otherwise get what it has.
func window(life time.Duration) time.Duration {
	nominal := refresh.Nominal(life, 0)
	return nominal + nominal/4
}

// fresh reports whether the value is returned without a refresh. If it is valid for less than required, a refresh
// helps only if it was valid for longer once.
func (v view) fresh(atLeast time.Duration) bool {
	short := v.Left < atLeast && v.Life >= atLeast && v.age() >= young
	return v.Kind == usable && v.Left > window(v.Life) && !short
}

// tooYoung reports whether the value can be neither returned nor replaced.
func (v view) tooYoung() bool { return (v.Kind == rejected || v.Kind == ended) && v.age() < young }

// operation is what an attempt does next.
type operation int

const (
	opLoad        operation = iota
	opLease                 // take, renew or free the lease: Pause, TTL
	opRevoke                // the value of Generation
	opSave                  // the result, as the successor of Generation
	opCall                  // the provider, with the lease
	opDirect                // call the provider without the lease, spread in time
	opSleep                 // for Wait, then load
	returnValue             // that was loaded
	returnResult            // of the provider
	returnFailure           // of the provider
	failPaused              // another process paused refreshes, for Wait
	failYoung               // the value was rejected, and may be replaced after Wait
)

// action is an operation and its arguments.
type action struct {
	Op         operation
	Pause      bool
	TTL, Wait  time.Duration
	Generation uint64
}

// phase is how far an attempt is.
type phase int

const (
	looking  phase = iota // for a value, or for the lease
	checking              // it may call the provider, and loads again before
	saving                // the result: it loads again if a Save is refused
	closing               // the last operation: Then follows whatever its result is
)

// attempt is one refresh of one process.
type attempt struct {
	Rules    rules
	Phase    phase
	Leads    bool          // it has, or had, the lease
	Direct   bool          // it calls the provider without the lease
	Down     bool          // the store failed in this attempt
	Again    bool          // a Save was refused
	Dropped  bool          // a Revoke was executed
	Value    view          // a valid one that may be returned
	Loaded   view          // the latest
	Result   view          // of the provider
	Owner    string        // of the lease of another process
	Ends     time.Duration // when that lease ends
	Progress time.Duration // when its owner or its end last changed
	Poll     time.Duration
	Then     action // after closing
}

// begin is the first operation at now.
func (a *attempt) begin(now time.Duration) action {
	a.Progress, a.Poll = now, firstPoll
	return action{Op: opLoad}
}

// failed continues after an operation of the store that failed.
func (a *attempt) failed() action {
	a.Down = true
	switch a.Phase {
	case closing:
		return a.Then
	case saving:
		return action{Op: returnResult}
	}
	if a.Direct {
		return action{Op: opCall}
	}
	return a.direct()
}

func (a *attempt) direct() action {
	a.Direct = true
	return action{Op: opDirect}
}

// directed continues after the wait before a direct call. If the store works, another process may have saved by now.
func (a *attempt) directed() action {
	if a.Down {
		return action{Op: opCall}
	}
	a.Phase = checking
	return action{Op: opLoad}
}

// loaded continues after a Load.
func (a *attempt) loaded(v view) action {
	a.Loaded = v
	if v.Kind == usable && v.Left >= a.Rules.AtLeast {
		a.Value = v
	}
	switch {
	case a.Phase == saving && v.Kind == usable && v.Until > a.Result.Until-gain:
		return a.close(0, action{Op: returnResult})
	case a.Phase == saving:
		return a.save()
	case v.fresh(a.Rules.AtLeast):
		a.Value = v // RetrieveFor says that it is too short
		return a.close(0, action{Op: returnValue})
	case v.tooYoung():
		return a.close(0, action{Op: failYoung, Wait: young - v.age()})
	case a.Phase == checking:
		return action{Op: opCall}
	case v.Kind == rejected && !a.Dropped: // otherwise the store still has it, and it is replaced
		return action{Op: opRevoke, Generation: v.Generation}
	}
	return action{Op: opLease, TTL: a.Rules.Lease}
}

// revoked continues after a Revoke.
func (a *attempt) revoked() action {
	a.Dropped = true
	return action{Op: opLoad}
}

// leased continues after a Lease at now, which mine reports to be that of this attempt.
func (a *attempt) leased(l Lease, mine bool, now time.Duration) action {
	switch {
	case a.Phase == closing:
		return a.Then
	case mine:
		a.Phase, a.Leads = checking, true
		return action{Op: opLoad}
	case a.Value.Kind == usable:
		return action{Op: returnValue}
	case l.Pause:
		return action{Op: failPaused, Wait: l.Left}
	}
	// A lease that is renewed ends later. The margin is for the time that the response took.
	if ends := now + l.Left; l.Owner != a.Owner || ends > a.Ends+a.Rules.Lease/10 {
		a.Owner, a.Ends, a.Progress = l.Owner, ends, now
	}
	if now-a.Progress >= a.Rules.Wait {
		return a.direct()
	}
	wait := a.Poll
	a.Poll = min(a.Poll*3/2, maxPoll)
	return action{Op: opSleep, Wait: wait}
}

// called continues after the provider returned credentials at now. Those that are not shared never expire, or are valid for too long.
func (a *attempt) called(result view, shared bool, now time.Duration) action {
	a.Result = result
	useful := a.Loaded.Kind != usable || result.Until >= a.Loaded.Until+gain
	switch {
	case a.Down || a.Loaded.Generation == 0 && a.Direct:
		return action{Op: returnResult}
	case !shared:
		return a.close(0, action{Op: returnResult})
	case !useful:
		return a.rest(now)
	}
	return a.save()
}

// refused continues after the provider failed. A failure that another process may not have pauses none of them.
func (a *attempt) refused(pause bool, backoff time.Duration) action {
	then := action{Op: returnFailure}
	if a.Value.Kind == usable {
		then.Op = returnValue
	}
	if !pause {
		backoff = 0
	}
	return a.close(backoff, then)
}

func (a *attempt) save() action {
	a.Phase = saving
	return action{Op: opSave, Generation: a.Loaded.Generation}
}

// saved continues after a Save at now.
func (a *attempt) saved(kept bool, now time.Duration) action {
	switch {
	case kept:
		return action{Op: returnResult}
	case a.Again:
		return a.rest(now)
	}
	a.Again = true
	return action{Op: opLoad}
}

// rest pauses the refreshes of all after one that was of no use.
func (a *attempt) rest(now time.Duration) action {
	pause := min(max((a.Result.Until-now)/4, time.Second), time.Minute)
	return a.close(pause, action{Op: returnResult})
}

// close ends the attempt with then. If it has the lease, it first keeps it as a pause, or frees it if pause is 0.
func (a *attempt) close(pause time.Duration, then action) action {
	if !a.Leads || a.Direct {
		return then
	}
	a.Phase, a.Then = closing, then
	return action{Op: opLease, Pause: pause != 0, TTL: pause}
}
