package refresh_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/stschain-go/stschain/internal/refresh"
)

// model is a cache without provider, lock and clock: the State of the engine, and the facts that an
// observer could see. Each method is an event, and returns an error if something does not hold that the
// documentation promises. A model is a value: it can be copied and compared.
type model struct {
	cfg   refresh.Config
	state refresh.State
	now   int64         // on the clock that the engine sees
	age   time.Duration // on a clock that is never set

	blocked  bool          // calls of earlier attempts hang: no attempt may begin
	noPrompt bool          // the attempt in flight cannot prompt
	began    time.Duration // age at which it began

	from, until int64 // Quiet as of the last event, like the snapshot of a Cache

	entry     refresh.Entry // what the source returned last and could be used
	lifetime  time.Duration // what entry had left when its ID first came
	rejected  bool          // a service rejected entry
	refused   bool          // since entry came, an attempt failed for a reason other than an outage
	raised    bool          // FailFast: the last failure was permanent, and nothing has come since
	settled   bool          // since entry came or was rejected, an attempt failed or gained nothing
	failed    bool          // the last attempt failed, apart from those with outcome promptNeeded or same
	forgotten bool          // that failure is not remembered: FailFast, the first one, nothing cached
	last      outcome       // of the last attempt
	ended     time.Duration // age at which it ended
	stepped   bool          // since then the clock was set, and the engine did not notice
}

type outcome int

const (
	nothingYet outcome = iota
	success
	same // the cached ID, with no more life
	failure
	permanent
	promptNeeded
	promptFailed
)

const (
	patience    = 5 * time.Second  // the longest wait while an entry can be served
	mostBackoff = 10 * time.Minute // the longest pause between attempts
	mostPause   = time.Minute      // the longest pause after a success
	mostRefusal = 5 * time.Second  // how long an error is remembered at most
	mostFirst   = time.Second      // the same, while nothing is cached
	maxTimeout  = 30 * time.Second // of an attempt
	rotation    = 15 * time.Minute // how often what does not expire is retrieved again
)

func newModel(cfg refresh.Config, now int64) model {
	m := model{cfg: cfg, now: now}
	m.from, m.until = refresh.Quiet(cfg, m.state)
	return m
}

// changed takes note of a new state, and checks what it plans.
func (m *model) changed() error {
	m.from, m.until = refresh.Quiet(m.cfg, m.state)
	return errors.Join(m.checkQuiet(m.from), m.checkQuiet(m.until-1), m.checkNext())
}

func (m *model) holding() bool { return m.entry.ID != "" }
func (m *model) valid() bool   { return m.holding() && m.now < m.entry.Expires }

// servable reports whether a caller that needs no particular life can get the entry.
func (m *model) servable() bool {
	stale := m.failed && !m.refused && m.now < refresh.Plus(m.entry.Expires, m.cfg.MaxStale)
	return m.holding() && !m.raised && (m.valid() || stale)
}

func (m *model) short(need refresh.Need) bool {
	return m.holding() && need.AtLeast > 0 && refresh.Span(m.now, m.entry.Expires) < need.AtLeast
}

// wait lets time pass.
func (m *model) wait(d time.Duration) {
	m.now += int64(d)
	m.age += d
}

// setClock sets the clock. If the engine notices, nothing else changes.
func (m *model) setClock(d time.Duration, noticed bool) error {
	m.now += int64(d)
	if !noticed {
		m.stepped = true
		return nil
	}
	m.state = refresh.Shift(m.state, d)
	m.entry.Expires = refresh.Plus(m.entry.Expires, d)
	return m.changed()
}

// reject is a service that rejects the entry. Like a Cache, it reports that once.
func (m *model) reject() error {
	if !m.holding() || m.rejected {
		return nil
	}
	before := max(m.state.BackoffUntil, refresh.Plus(m.now, mostRefusal))
	m.rejected, m.settled = true, false
	m.state = refresh.Reject(m.state, m.now)
	if m.state.BackoffUntil > before {
		return fmt.Errorf("the rejected entry stays for %v", refresh.Span(m.now, m.state.BackoffUntil))
	}
	return m.changed()
}

// call is a caller that decides, and begins an attempt if it is to.
func (m *model) call(need refresh.Need) (refresh.Decision, error) {
	need.Blocked = m.blocked
	if m.state.InFlight {
		need.Elapsed = m.age - m.began
	}
	d := m.decide(m.now, need)
	err := errors.Join(m.checkDecision(d, need), m.checkQuiet(m.now), m.checkSnapshot())
	if plain := need == (refresh.Need{}); plain && !m.state.InFlight && begins(d) != (refresh.Next(m.state, m.now) == refresh.Always) {
		err = errors.Join(err, errors.New("it begins an attempt, or Next is at the next call, but not both"))
	}
	if err == nil && !m.state.InFlight && begins(d) {
		err = m.begin(need.NoPrompt || d.Action == refresh.ServeAndRefresh)
	}
	if err != nil {
		return d, fmt.Errorf("%+v: %+v: %w", need, d, err)
	}
	return d, nil
}

func (m *model) decide(now int64, need refresh.Need) refresh.Decision {
	return refresh.Decide(m.cfg, m.state, now, need)
}

// begins reports whether the caller begins an attempt if none is in flight.
func begins(d refresh.Decision) bool {
	return d.Action == refresh.Wait || d.Action == refresh.ServeAndRefresh
}

func (m *model) checkDecision(d refresh.Decision, need refresh.Need) error {
	noneMayBegin := need.Blocked && !m.state.InFlight
	enough := m.servable() && !m.short(need)
	switch {
	case noneMayBegin && begins(d):
		return errors.New("an attempt begins although none may")
	case d.Action == refresh.Serve || d.Action == refresh.ServeAndRefresh:
		if !enough {
			return errors.New("served what is expired, refused or too short")
		}
	case d.Action == refresh.Refuse:
		return m.checkRefusal(d.Reason, need, enough)
	}
	phase := refresh.Phase(m.state, m.now)
	rotates := m.entry.Expires == refresh.Never
	switch hangs := m.state.InFlight && need.Elapsed >= patience; {
	case d.Action == refresh.ServeAndRefresh && m.state.InFlight:
		return errors.New("a second attempt begins")
	case d.Action == refresh.ServeAndRefresh && phase == refresh.Fresh && !rotates && !m.rejected:
		return errors.New("refreshed while fresh")
	case d.Action == refresh.ServeAndRefresh && !m.settled && (phase == refresh.Mandatory || m.rejected):
		return errors.New("refreshed in the background although callers wait by now")
	case d.Action != refresh.Wait:
		return nil
	case !enough && d.Patience != 0:
		return errors.New("a wait ends although the entry cannot be served")
	case !enough:
		return nil
	case hangs:
		return errors.New("a caller waits for an attempt that hangs")
	case d.Patience <= 0 || need.Elapsed+d.Patience > patience:
		return errors.New("a caller waits too long although the entry can be served")
	case m.valid() && phase < refresh.Mandatory && !m.rejected:
		return errors.New("a caller waits before the mandatory window")
	case m.valid() && m.settled && !(m.rejected && m.last == promptNeeded):
		return errors.New("a caller waits after an attempt failed or gained nothing")
	}
	return nil
}

// checkRefusal checks that an error has a reason, and that this reason is not too old.
func (m *model) checkRefusal(r refresh.Reason, need refresh.Need, enough bool) error {
	since := m.age - m.ended
	if m.stepped {
		since = 0 // a clock that is set back into a backoff makes it longer
	}
	if enough {
		return errors.New("refused although the entry can be served")
	}
	switch r {
	case refresh.Blocked:
		if need.Blocked && !m.state.InFlight {
			return nil
		}
		return errors.New("refused as blocked although an attempt may begin")
	case refresh.LastFailed:
		most := mostRefusal
		if !m.holding() && m.last != permanent {
			most = mostFirst
		}
		switch {
		case m.last < failure:
			return errors.New("refused although the last attempt did not fail")
		case m.forgotten:
			return errors.New("refused although that failure is not remembered")
		case m.last == promptNeeded && !need.NoPrompt:
			return errors.New("refused although the caller can prompt")
		case since > most:
			return fmt.Errorf("refused %v after the last attempt", since)
		}
		return nil
	}
	switch {
	case !m.short(need):
		return errors.New("refused as too short what lives long enough")
	case r == refresh.TooShort && m.lifetime >= need.AtLeast:
		return errors.New("refused as too short although the source's entries live longer")
	case r == refresh.TooShortFailed && (since > mostBackoff || !m.failed && m.last != promptNeeded):
		return errors.New("refused although the last attempt did not fail just now")
	case r == refresh.TooShortJustCame && (since > mostPause || m.failed || m.last == promptNeeded && !m.rejected):
		return errors.New("refused although the entry did not just come")
	}
	return nil
}

// everyNeed is what callers without AtLeast may need.
var everyNeed = []refresh.Need{{}, {NoPrompt: true}, {Blocked: true}, {NoPrompt: true, Blocked: true}}

// checkQuiet checks that inside Quiet every caller is served, at an instant.
func (m *model) checkQuiet(t int64) error {
	if t < m.from || t >= m.until {
		return nil
	}
	for _, need := range everyNeed {
		if m.state.InFlight {
			need.Elapsed = m.age - m.began
		}
		if d := m.decide(t, need); d.Action != refresh.Serve {
			return fmt.Errorf("quiet from %d to %d, and at %d a caller with %+v gets %+v", m.from, m.until, t, need, d)
		}
	}
	return nil
}

// checkSnapshot checks that it is quiet now if nothing is to be done: a Cache takes its fast path then.
func (m *model) checkSnapshot() error {
	inside := m.now >= m.from && m.now < m.until
	back := m.now < m.state.BackoffFrom // the clock went back, and the slow path serves as well
	good := m.valid() && !m.raised
	backoff := m.now < m.state.BackoffUntil && m.last != promptNeeded
	fresh := !m.rejected && refresh.Phase(m.state, m.now) == refresh.Fresh && m.entry.Expires != refresh.Never
	if good && !inside && !back && (backoff || fresh) {
		return errors.New("nothing is to be done, and it is not quiet")
	}
	return nil
}

// checkNext checks that a caller that can prompt begins an attempt from Next on, and not before.
func (m *model) checkNext() error {
	if m.state.InFlight {
		return nil
	}
	next := refresh.Next(m.state, m.now)
	attempt := func(t int64) bool { return begins(m.decide(t, refresh.Need{})) }
	switch {
	case next == refresh.Never:
	case next == refresh.Always:
		if !attempt(m.now) {
			return errors.New("Next is at the next call, and that begins no attempt")
		}
	case next <= m.now:
		return errors.New("Next is in the past")
	case attempt(m.now) || attempt(next-1):
		return fmt.Errorf("Next is in %v, and an attempt begins before", time.Duration(next-m.now))
	case !attempt(next):
		return fmt.Errorf("Next is in %v, and no attempt begins then", time.Duration(next-m.now))
	}
	return nil
}

// begin begins an attempt, if the last one was long enough ago.
func (m *model) begin(noPrompt bool) error {
	pause := m.age - m.ended
	switch {
	case m.last == nothingYet, m.stepped, m.forgotten:
	case m.last == promptNeeded && !noPrompt:
	case m.holding() && pause < time.Second && (m.valid() || m.last != success && m.last != same):
		return fmt.Errorf("an attempt %v after the last one", pause)
	case !m.holding() && pause < 100*time.Millisecond:
		return fmt.Errorf("an attempt %v after the last one, which failed", pause)
	}
	m.state = refresh.Begin(m.state)
	m.noPrompt, m.began = noPrompt, m.age
	return m.changed()
}

// succeed ends the attempt in flight with an entry.
func (m *model) succeed(e refresh.Entry, draw [2]float64) error {
	problem := refresh.NoProblem
	if m.rejected && e.ID == m.entry.ID {
		problem = refresh.RejectedAgain
	}
	if m.now >= e.Expires {
		problem = refresh.ArrivedExpired
	}
	if got := refresh.Check(m.state, e, m.now); got != problem {
		return fmt.Errorf("Check says %v of %+v, want %v", got, e, problem)
	}
	if problem != refresh.NoProblem {
		return m.fail(refresh.Transient, draw)
	}
	forever := e.Expires == refresh.Never
	gains := e.ID != m.entry.ID || e.Expires > m.entry.Expires || forever
	if got := refresh.Gains(m.state, e); got != gains {
		return fmt.Errorf("Gains says %v of %+v", got, e)
	}
	m.last = same
	if gains {
		moved := !m.holding() || m.rejected || e.Expires > m.entry.Expires || forever
		m.last, m.settled, m.failed, m.refused, m.rejected = success, !moved, false, false, false
	}
	windows := m.state.Windows
	if e.ID != m.entry.ID {
		m.lifetime = refresh.Span(m.now, e.Expires)
		windows = refresh.WindowsFor(m.lifetime, m.cfg.Advisory, m.cfg.Mandatory, draw[0])
	}
	m.entry, m.raised = e, false
	m.state = refresh.Succeed(m.cfg, m.state, e, m.now, draw)
	if m.state.Lifetime != m.lifetime || m.state.Windows != windows {
		return fmt.Errorf("lifetime %v, want %v; windows %v, want %v", m.state.Lifetime, m.lifetime, m.state.Windows, windows)
	}
	return m.finished()
}

var outcomes = [...]outcome{refresh.Transient: failure, refresh.Permanent: permanent, refresh.PromptFailed: promptFailed}

// fail ends the attempt in flight without an entry.
func (m *model) fail(class refresh.Class, draw [2]float64) error {
	m.forgotten = false
	if class == refresh.NoPrompt {
		m.last = promptNeeded
		m.settled = m.settled && m.valid() && !m.rejected && !m.raised
	} else {
		m.forgotten = m.cfg.FailFast && !m.holding() && !m.failed && class != refresh.Permanent
		m.last = outcomes[class]
		m.failed, m.settled = true, m.holding()
		m.refused = m.refused || class != refresh.Transient
		m.raised = m.cfg.FailFast && class == refresh.Permanent
	}
	m.state = refresh.Fail(m.cfg, m.state, class, m.now, draw)
	return m.finished()
}

func (m *model) finished() error {
	m.ended, m.stepped, m.noPrompt, m.began = m.age, false, false, 0
	if m.last == success || m.last == same {
		m.forgotten = false
	}
	pause := refresh.Span(m.now, m.state.BackoffUntil)
	switch {
	case m.state.InFlight:
		return errors.New("an attempt is in flight after it ended")
	case m.state.Entry != m.entry:
		return fmt.Errorf("the entry is %+v, want %+v", m.state.Entry, m.entry)
	case pause > mostBackoff, pause > mostRefusal && !m.servable(), pause > mostPause && m.last < failure:
		return fmt.Errorf("after outcome %d a pause of %v", m.last, pause)
	}
	return m.changed()
}

// checkRecovered checks what holds so long after the last fault, if there were enough calls.
func (m *model) checkRecovered(d refresh.Decision, need refresh.Need, quiet time.Duration) error {
	late := quiet > mostBackoff+mostRefusal
	backoff := m.now >= m.state.BackoffFrom && m.now < m.state.BackoffUntil
	switch {
	case m.stepped && backoff:
		return nil // the clock was set back before this backoff, and has come to it again
	case d.Action == refresh.Refuse && quiet > mostRefusal && need.AtLeast == 0:
		return fmt.Errorf("refused %v after the last fault", quiet)
	case d.Action == refresh.Refuse && late && d.Reason == refresh.TooShortFailed:
		return fmt.Errorf("still failed %v after the last fault", quiet)
	case !late, m.state.InFlight:
		return nil
	case m.entry.Expires == refresh.Never && m.age-m.ended > rotation+mostBackoff && !m.stepped &&
		m.now >= refresh.Plus(m.state.Received, rotation): // on a clock that was set back, that comes later
		return fmt.Errorf("an entry without end was not looked at again for %v", m.age-m.ended)
	case m.rejected:
		return fmt.Errorf("still rejected %v after the last fault", quiet)
	case refresh.Phase(m.state, m.now) != refresh.Fresh && backoff:
		return fmt.Errorf("not fresh %v after the last fault, and no attempt begins", quiet)
	}
	return nil
}
