package shared

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/refresh"
	"github.com/stschain-go/stschain/internal/system"
)

// Provider shares the credentials of a provider with all processes that have the same Store, keys and
// identity: Provider is called by one of them, and the others get its result. It keeps no cache in
// memory, so put a [stschain.Cache] over it. Another shared.Provider may be its Provider: one over a directory
// over one that the whole fleet shares.
//
// Do not change its fields after first use, and do not copy it.
type Provider struct {
	Provider stschain.Provider // required, an [stschain.Identifier]
	Store    Store             // required

	// Keys seal values, 32 random bytes each; at least one is required. The first seals, and all open. A
	// process that has one of them can use every role in the store. NamingKey, also 32 bytes and required, names the
	// entries. It stays the same when Keys are rotated.
	Keys      []stschain.Secret
	NamingKey stschain.Secret

	Account   string        // of the credentials; others in the store are not used. "": that of the identity's role ARN, or any if it has none
	Lease     time.Duration // how long others wait for a process that died; 0: 2 s. It is renewed while Provider is called
	Wait      time.Duration // how long callers without credentials wait while no other process makes progress; 0: 5 s
	OpTimeout time.Duration // of one operation of Store; 0: 250 ms

	// Spread is the time over which calls of Provider without the lease are spread, because the store is away or
	// other processes make no progress. 0: 5 s for a process without credentials, otherwise the rest of the advisory window.
	Spread time.Duration

	OnEvent func(Event)    // nil: none. It may be called concurrently, and refreshes wait for it
	Clock   stschain.Clock // by which credentials expire; nil: the real one

	once   sync.Once
	sealer *sealer
	bad    error         // of the configuration
	random func() uint64 // nil: rand.Uint64

	mu       sync.Mutex
	last     stschain.Credentials // that were returned
	lastAt   time.Time
	rejected map[string]time.Time // access key IDs, and when
	directAt time.Time            // when to call Provider while the store is away; zero: not drawn
	retryAt  time.Time            // when to use the store again after it failed; zero: it works
}

const circuitTime = 5 * time.Second

// Retrieve returns credentials that the store has, or waits for those that another process obtains, or obtains
// them itself. A failure of the store is not an error. If Provider fails, Retrieve returns valid
// credentials of the store if there are any, with an event, and otherwise the error. For the next 1 to 5 s
// it is not called by any process: callers without credentials get an error that says so.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return p.retrieve(ctx, 0)
}

// RetrieveFor is Retrieve of credentials that are valid for at least this long. It is an error if even new ones
// are not.
func (p *Provider) RetrieveFor(ctx context.Context, atLeast time.Duration) (stschain.Credentials, error) {
	creds, err := p.retrieve(ctx, atLeast)
	if err != nil {
		return stschain.Credentials{}, err
	}
	if left := creds.Expires.Sub(p.now()); !creds.Expires.IsZero() && left < atLeast {
		return stschain.Credentials{}, fmt.Errorf("shared: credentials from %s are valid for another %v, and %v are required: require less, or configure a longer duration", creds.Origin, left.Round(time.Second), atLeast)
	}
	return creds, nil
}

func (p *Provider) retrieve(ctx context.Context, atLeast time.Duration) (creds stschain.Credentials, err error) {
	ctx, end := stschain.Step{Provider: p}.Start(ctx)
	defer func() { end(creds, err) }()
	if err := p.setUp(); err != nil {
		return stschain.Credentials{}, stschain.Permanent(fmt.Errorf("shared: %w", err))
	}
	id, err := p.Identity(ctx)
	if err != nil {
		return stschain.Credentials{}, fmt.Errorf("shared: %w", err)
	}
	if l, ok := p.Store.(interface{ Local() bool }); strings.Contains(id.String(), "-of-host=") && (!ok || !l.Local()) {
		return stschain.Credentials{}, stschain.Permanent(fmt.Errorf("shared: %s: the default session name has the name of this host, so other hosts could not use the session: set SessionName, also of the roles that assume this one", id))
	}
	r := run{p: p, ctx: ctx, entry: entry{p.sealer.name(id), id, cmp.Or(p.Account, accountOf(id))}, owner: p.newOwner()}
	r.Rules = rules{cmp.Or(p.Lease, 2*time.Second), cmp.Or(p.Wait, 5*time.Second), atLeast}
	return r.retrieve()
}

// setUp checks the configuration once.
func (p *Provider) setUp() error {
	p.once.Do(func() {
		switch {
		case p.Provider == nil:
			p.bad = errors.New("Provider is required")
		case p.Store == nil:
			p.bad = errors.New("Store is required")
		case p.Lease < 0, p.Wait < 0, p.OpTimeout < 0, p.Spread < 0:
			p.bad = fmt.Errorf("a Provider's durations must not be negative: Lease %v, Wait %v, OpTimeout %v, Spread %v", p.Lease, p.Wait, p.OpTimeout, p.Spread)
		case p.Lease > 0 && p.Lease < 100*time.Millisecond:
			p.bad = fmt.Errorf("Lease is %v, and at least 100ms are required, since it is renewed", p.Lease)
		default:
			p.sealer, p.bad = newSealer(p.Keys, p.NamingKey)
		}
	})
	return p.bad
}

// Identity returns that of Provider.
func (p *Provider) Identity(ctx context.Context) (stschain.Identity, error) {
	i, ok := p.Provider.(stschain.Identifier)
	if !ok {
		return stschain.Identity{}, stschain.Permanent(fmt.Errorf("%T has no identity: it does not implement stschain.Identifier, so its credentials cannot be shared", p.Provider))
	}
	return i.Identity(ctx)
}

// accountOf returns the account of the role of an identity, or "".
func accountOf(id stschain.Identity) string {
	_, arn, _ := strings.Cut(id.String()+" ", " role=arn:")
	parts := strings.Split(arn, ":") // partition, "iam", region, account, resource
	if len(parts) < 5 || len(parts[3]) != 12 {
		return ""
	}
	return parts[3]
}

// newOwner is drawn for each attempt, so that processes which were cloned do not share a lease.
func (p *Provider) newOwner() string { return fmt.Sprintf("%016x%016x", p.draw(), p.draw()) }

func (p *Provider) draw() uint64 {
	if p.random == nil {
		return rand.Uint64()
	}
	return p.random()
}

// upTo draws a duration from 0 to d.
func (p *Provider) upTo(d time.Duration) time.Duration {
	return time.Duration(p.draw() % (uint64(d) + 1))
}

// Invalidate reports that a service rejected credentials. The next Retrieve drops them from the
// store, unless they are younger than 30 s: until then it returns an error, if they are still there.
func (p *Provider) Invalidate(rejected stschain.Credentials) {
	if rejected.AccessKeyID == "" {
		return
	}
	p.mu.Lock()
	now := p.now()
	for id, at := range p.rejected {
		if now.Sub(at) > maxLife {
			delete(p.rejected, id)
		}
	}
	if p.rejected == nil {
		p.rejected = make(map[string]time.Time)
	}
	p.rejected[rejected.AccessKeyID] = now
	p.mu.Unlock()
	if i, ok := p.Provider.(stschain.Invalidator); ok {
		i.Invalidate(rejected)
	}
}

// Providers returns Provider.
func (p *Provider) Providers() []stschain.Provider { return []stschain.Provider{p.Provider} }

// String returns "shared" and the name of Provider.
func (p *Provider) String() string {
	if s, ok := p.Provider.(fmt.Stringer); ok {
		return "shared " + s.String()
	}
	return fmt.Sprintf("shared %T", p.Provider)
}

func (p *Provider) now() time.Time { return system.Now(p.Clock) }

// lastGood returns the credentials that were returned last, if they can be used now. Like those of a Cache, they expire by
// the monotonic clock if the wall clock was set back.
func (p *Provider) lastGood() (stschain.Credentials, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, creds := p.now(), p.last
	if lag := now.Sub(p.lastAt) - now.Round(0).Sub(p.lastAt.Round(0)); lag >= time.Second && !creds.Expires.IsZero() {
		creds.Expires = creds.Expires.Add(-lag)
	}
	_, rejected := p.rejected[creds.AccessKeyID]
	return creds, creds.AccessKeyID != "" && !rejected && !creds.ExpiredAt(now)
}

// keep remembers credentials that are returned. It returns why they cannot be, which is looked at last, because an
// attempt may take long.
func (p *Provider) keep(creds stschain.Credentials) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, rejected := p.rejected[creds.AccessKeyID]; rejected {
		return fmt.Errorf("shared: a service rejected %s while it was retrieved", creds.AccessKeyID)
	}
	now := p.now()
	if creds.ExpiredAt(now) {
		return fmt.Errorf("shared: %s expired at %s while it was retrieved, by this machine's clock", creds.AccessKeyID, creds.Expires.UTC().Format(time.RFC3339))
	}
	if creds.AccessKeyID != p.last.AccessKeyID {
		p.directAt = time.Time{}
	}
	p.last, p.lastAt = creds, now
	return nil
}

// storeWorks reports whether an attempt uses the store. After a failure it is not used for 5 s, and then by one
// attempt in 5 s until that succeeds.
func (p *Provider) storeWorks(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retryAt.IsZero() {
		return true
	}
	if wait := p.retryAt.Sub(now); wait > 0 && wait <= circuitTime { // unless the clock was set back
		return false
	}
	p.retryAt = now.Add(circuitTime)
	return true
}

func (p *Provider) storeResult(err error, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retryAt = time.Time{}
	if err != nil {
		p.retryAt = now.Add(circuitTime)
	}
}

// waitDirect returns how long to wait before Provider is called without the lease, at now. A process with valid
// credentials does not wait: ok is false until a time that it draws once.
func (p *Provider) waitDirect(valid stschain.Credentials, now time.Time) (wait time.Duration, ok bool) {
	switch {
	case valid.AccessKeyID == "":
		return p.upTo(cmp.Or(p.Spread, 5*time.Second)), true
	case valid.Expires.IsZero():
		return 0, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.directAt.IsZero() {
		left := valid.Expires.Sub(now)
		rest := left - refresh.WindowsFor(left, 0, 0, 0).Mandatory
		p.directAt = now.Add(p.upTo(min(cmp.Or(p.Spread, rest), left)))
	}
	return 0, !now.Before(p.directAt)
}
