package shared

import "time"

// The tests explore the protocol.
type (
	Attempt   = attempt
	Rules     = rules
	View      = view
	ViewKind  = viewKind
	Action    = action
	Operation = operation
)

const (
	Missing, Usable, Rejected, Ended, Older = missing, usable, rejected, ended, older

	OpLoad, OpLease, OpRevoke, OpSave, OpCall, OpDirect, OpSleep = opLoad, opLease, opRevoke, opSave, opCall, opDirect, opSleep
	ReturnValue, ReturnResult, ReturnFailure                     = returnValue, returnResult, returnFailure
	FailPaused, FailYoung                                        = failPaused, failYoung

	Closing = closing
)

func (a *attempt) Begin(d Duration) Action                        { return a.begin(d) }
func (a *attempt) Failed() Action                                 { return a.failed() }
func (a *attempt) Directed() Action                               { return a.directed() }
func (a *attempt) GotLoad(v View) Action                          { return a.loaded(v) }
func (a *attempt) GotRevoke() Action                              { return a.revoked() }
func (a *attempt) GotLease(l Lease, mine bool, d Duration) Action { return a.leased(l, mine, d) }
func (a *attempt) GotCall(v View, shared bool, d Duration) Action { return a.called(v, shared, d) }
func (a *attempt) GotRefusal(pause bool, d Duration) Action       { return a.refused(pause, d) }
func (a *attempt) GotSave(kept bool, d Duration) Action           { return a.saved(kept, d) }

func WindowOf(life Duration) Duration { return window(life) }

type Duration = time.Duration
