package shared_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

// What a Provider reports: events, notes and errors.

const identity = "test role=arn:aws:iam::123456789012:role/backup"

// Events have all that is known.
func TestEvents(t *testing.T) {
	var none time.Time
	refused := errors.New("503")
	refuse := func(w *fleet, _ *shared.Provider) {
		w.source = func(context.Context, int) (stschain.Credentials, error) { return stschain.Credentials{}, refused }
	}
	failing := func(op storetest.Operation) func(*fleet, *shared.Provider) {
		return func(w *fleet, _ *shared.Provider) {
			w.fault = func(o storetest.Operation) storetest.Fault {
				if o == op {
					return storetest.Down
				}
				return storetest.None
			}
		}
	}
	down := shared.Event{Kind: shared.StoreFailed, Err: storetest.ErrDown}
	for name, tt := range map[string]struct {
		set  func(w *fleet, p *shared.Provider)
		late bool // another attempt of a process, in the window of what it has. Otherwise it is the first one
		want func(old, result time.Time) []shared.Event
		ops  []storetest.Operation
	}{
		"refreshed": {func(w *fleet, _ *shared.Provider) { w.store.Flush() }, false, func(_, result time.Time) []shared.Event {
			return []shared.Event{{Kind: shared.Refreshed, Expires: result}}
		}, []storetest.Operation{opLoad, opLease, opLoad, opSave}},
		"loaded": {func(*fleet, *shared.Provider) {}, false, func(old, _ time.Time) []shared.Event {
			return []shared.Event{{Kind: shared.Loaded, Expires: old}}
		}, []storetest.Operation{opLoad}},
		"refused": {refuse, true, func(time.Time, time.Time) []shared.Event {
			return []shared.Event{{Kind: shared.RefreshFailed, Err: refused}}
		}, []storetest.Operation{opLoad, opLease, opLoad, opLease}},
		"the store is down": {failing(opLoad), false, func(_, result time.Time) []shared.Event {
			return []shared.Event{down, {Kind: shared.Direct, Expires: none}, {Kind: shared.Refreshed, Expires: result}}
		}, []storetest.Operation{opLoad}},
		"the store is down, in the window": {failing(opLoad), true, func(old, result time.Time) []shared.Event {
			return []shared.Event{down, {Kind: shared.Direct, Expires: old}, {Kind: shared.Refreshed, Expires: result}}
		}, []storetest.Operation{opLoad}},
		"the store is down, in the window, and it is not time to call": {func(w *fleet, p *shared.Provider) {
			p.SetRandom(func() uint64 { return 1 })
			failing(opLoad)(w, p)
		}, true, func(time.Time, time.Time) []shared.Event { return []shared.Event{down} }, []storetest.Operation{opLoad}},
		"the store fails after it was loaded": {func(w *fleet, p *shared.Provider) {
			after(50 * time.Minute)
			p.SetRandom(func() uint64 { return 1 })
			failing(opLease)(w, p)
		}, false, func(old, _ time.Time) []shared.Event {
			return []shared.Event{down, {Kind: shared.Loaded, Expires: old}}
		}, []storetest.Operation{opLoad, opLease}},
		"the result cannot be saved": {failing(opSave), true, func(_, result time.Time) []shared.Event {
			return []shared.Event{down, {Kind: shared.Refreshed, Expires: result}}
		}, []storetest.Operation{opLoad, opLease, opLoad, opSave}},
	} {
		bubble(t, func(t *testing.T, w *fleet) {
			p := w.process()
			p.SetRandom(func() uint64 { return 0 })
			old := time.Now().Add(time.Hour)
			if w.get(w.process()); tt.late {
				w.get(p)
				after(50 * time.Minute)
			}
			tt.set(w, p)
			w.did()
			var got []shared.Event
			p.OnEvent = func(e shared.Event) { got = append(got, e) }
			want := tt.want(old, time.Now().Add(time.Hour))
			for i := range want {
				want[i].Identity, want[i].Time = identity, time.Now()
			}
			w.get(p)
			require.Equal(t, want, got, name)
			ops, _ := w.did()
			require.Equal(t, tt.ops, ops, name)
		})
	}
}

// A rejected value that cannot be revoked is replaced, without the store.
func TestRevokeFails(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		creds, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		after(time.Minute)
		p.Invalidate(creds)
		w.fault = func(op storetest.Operation) storetest.Fault {
			if op == opRevoke {
				return storetest.Down
			}
			return storetest.None
		}
		w.did()
		require.Equal(t, "ASIA2", w.get(p))
		ops, events := w.did()
		require.Equal(t, []storetest.Operation{opLoad, opRevoke}, ops)
		require.Equal(t, []string{"store failed", "direct", "refreshed"}, events)
	})
}

// A trace says that another process obtained the credentials, if that is so.
func TestNotes(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		a, b := w.process(), w.process()
		b.SetRandom(func() uint64 { return 1 })
		note := func(p *shared.Provider) (note string) {
			ctx := stschain.WithTrace(t.Context(), &stschain.Trace{End: func(_ context.Context, s stschain.Step) {
				if s.Name == "shared role backup" {
					note = s.Note
				}
			}})
			_, err := p.Retrieve(ctx)
			require.NoError(t, err)
			return note
		}
		require.Empty(t, note(a))
		require.Equal(t, "shared: another process obtained the credentials", note(b))
		after(50 * time.Minute)
		w.source = refusal(0, func() {})
		require.Empty(t, note(b), "the provider failed")
		w.fault = always(storetest.Down)
		require.Empty(t, note(b), "the store failed")
		require.Empty(t, note(b), "the store is not used")
	})
}

// A result that cannot be used is an error that says why, and for how long no process calls the provider again.
func TestResultRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(creds *stschain.Credentials)
		want   string // after the provider's name
		pause  string
	}{
		"no ID":           {func(c *stschain.Credentials) { c.AccessKeyID = "" }, " returned no complete credentials and no error", "1.001s"},
		"no secret":       {func(c *stschain.Credentials) { c.SecretAccessKey = stschain.Secret{} }, " returned no complete credentials and no error", "1.001s"},
		"malformed":       {func(c *stschain.Credentials) { c.AccessKeyID = "ASIA 1" }, ": the access key ID contains white space; trim it where it is read", "1.001s"},
		"expired":         {func(c *stschain.Credentials) { c.Expires = time.Now() }, " returned credentials that expired at 2000-01-01T00:00:00Z: check the clock of this machine", "30s"},
		"another account": {func(c *stschain.Credentials) { c.AccountID = "12345678901234567890" }, " returned credentials of account 12345678901234567890, and 123456789012 is required", "1.001s"},
		"account of 21":   {func(c *stschain.Credentials) { c.AccountID = "123456789012345678901" }, " returned credentials of account 12345678901234567890 ..., and 123456789012 is required", "1.001s"},
	} {
		bubble(t, func(t *testing.T, w *fleet) {
			w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
				creds := w.credentials(n)
				tt.change(&creds)
				return creds, nil
			}
			p := w.process()
			p.SetRandom(func() uint64 { return uint64(time.Millisecond) })
			require.EqualError(t, w.fails(p), "shared: shared role backup"+tt.want, name)
			require.EqualError(t, w.fails(w.process()), "shared: "+identity+": another process could not refresh the credentials, and the next attempt is allowed in "+tt.pause, name)
			require.Equal(t, 1, w.called(), name)
		})
	}
}

// Rejected credentials that are too young to be replaced are an error that says for how long.
func TestRejectedYoung(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		p := w.process()
		creds, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		p.Invalidate(creds)
		after(time.Millisecond)
		require.EqualError(t, w.fails(p), "shared: "+identity+": the credentials in the store were rejected, or have expired by this machine's clock, less than 30s after they were issued; "+
			"they are not replaced for another 29.999s")
	})
}
