package shared_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

var (
	key   = stschain.NewSecret(strings.Repeat("k", 32))
	other = stschain.NewSecret(strings.Repeat("o", 32))
	names = stschain.NewSecret(strings.Repeat("n", 32))
)

const account = "123456789012"

// fleet is a store, a source that all processes call, and what happened. It runs in a synctest bubble.
type fleet struct {
	t     *testing.T
	store storetest.Memory
	life  time.Duration // of credentials; 0: 1 h

	mu     sync.Mutex
	calls  []time.Time
	source func(ctx context.Context, n int) (stschain.Credentials, error) // nil: new credentials at once
	ops    []storetest.Operation
	fault  func(op storetest.Operation) storetest.Fault // nil: none
	events []string
}

func bubble(t *testing.T, f func(t *testing.T, w *fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &fleet{t: t}
		w.store.Fault = func(op storetest.Operation, _ string) storetest.Fault {
			w.mu.Lock()
			w.ops = append(w.ops, op)
			fault := w.fault
			w.mu.Unlock()
			if fault == nil {
				return storetest.None
			}
			return fault(op)
		}
		f(t, w)
	})
}

// role is the provider of a process: the identity that all of them share.
type role struct {
	w    *fleet
	name string
}

func (r role) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	w := r.w
	w.mu.Lock()
	w.calls = append(w.calls, time.Now())
	n, source := len(w.calls), w.source
	w.mu.Unlock()
	if source != nil {
		return source(ctx, n)
	}
	return w.credentials(n), nil
}

func (r role) Identity(context.Context) (stschain.Identity, error) {
	return stschain.NewIdentity("test", "role=arn:aws:iam::"+account+":role/"+r.name), nil
}

func (r role) String() string { return "role " + r.name }

func (w *fleet) credentials(n int) stschain.Credentials {
	life := w.life
	if life == 0 {
		life = time.Hour
	}
	return stschain.Credentials{
		AccessKeyID: fmt.Sprint("ASIA", n), SecretAccessKey: stschain.NewSecret("secret"), SessionToken: stschain.NewSecret("token"),
		AccountID: account, Origin: "role", Expires: time.Now().Add(life),
	}
}

// process returns the shared provider of a process.
func (w *fleet) process() *shared.Provider {
	return &shared.Provider{
		Provider: role{w, "backup"}, Store: &w.store, Keys: []stschain.Secret{key}, NamingKey: names,
		OnEvent: func(e shared.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e.Kind.String())
		},
	}
}

// get returns the access key ID that p returns.
func (w *fleet) get(p stschain.Provider) string {
	w.t.Helper()
	creds, err := p.Retrieve(w.t.Context())
	require.NoError(w.t, err)
	require.Equal(w.t, "secret token "+account, creds.SecretAccessKey.Reveal()+" "+creds.SessionToken.Reveal()+" "+creds.AccountID)
	return creds.AccessKeyID
}

func (w *fleet) fails(p stschain.Provider) error {
	w.t.Helper()
	creds, err := p.Retrieve(w.t.Context())
	require.Error(w.t, err, creds.AccessKeyID)
	require.Zero(w.t, creds)
	return err
}

func (w *fleet) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *fleet) called() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

// took returns when the source was called since it was called last.
func (w *fleet) took() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	return calls
}

// did returns the operations and events since it was called last.
func (w *fleet) did() (ops []storetest.Operation, events []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ops, events = w.ops, w.events
	w.ops, w.events = nil, nil
	return ops, events
}

func after(d time.Duration) { <-time.After(d) }
