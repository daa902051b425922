package shared

import (
	"encoding/json"
	"time"

	"github.com/stschain-go/stschain"
)

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
	Missing, Usable, Rejected, Ended = missing, usable, rejected, ended

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

// SetRandom replaces the random numbers of p. f is called concurrently.
func (p *Provider) SetRandom(f func() uint64) { p.random = f }

// Seal seals a record for the entry of p, as any holder of a key could. change changes it first.
func (p *Provider) Seal(id stschain.Identity, generation uint64, change func(*Record)) []byte {
	if err := p.setUp(); err != nil {
		panic(err)
	}
	r := Record{AccessKeyID: "ASIAGOOD", SecretAccessKey: "secret", SessionToken: "token", Account: accountOf(id), Life: time.Hour, Ends: p.now().Add(time.Hour)}
	change(&r)
	return p.SealBytes(id, generation, Encode(r))
}

// Encode returns what is sealed of a record.
func Encode(r Record) []byte {
	plain, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return plain
}

// SealBytes seals what is not a record.
func (p *Provider) SealBytes(id stschain.Identity, generation uint64, plain []byte) []byte {
	if err := p.setUp(); err != nil {
		panic(err)
	}
	return p.sealer.aeads[0].Seal(nil, nil, plain, entry{name: p.sealer.name(id), identity: id}.associated(generation))
}

type Record = record
