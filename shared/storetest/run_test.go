package storetest_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/storetest"
)

// openMemory returns two handles to a new Memory: that it is the same one is all that they have in common.
func openMemory(t *testing.T) storetest.Setup {
	var slow atomic.Bool
	mock := clock.NewMock()
	m := &storetest.Memory{Clock: mock, Fault: func(storetest.Operation, string) storetest.Fault {
		if slow.Load() {
			return storetest.Slow
		}
		return storetest.None
	}}
	return storetest.Setup{
		Stores: []shared.Store{m, wrapped{m}}, Flush: m.Flush, Advance: mock.Add, Hang: func() { slow.Store(true) },
	}
}

type wrapped struct{ shared.Store }

func TestMemory(t *testing.T) { storetest.Run(t, openMemory) }

// The tests that wait in real time, and those that are skipped without the means of a Setup.
func TestMemoryInRealTime(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for seconds")
	}
	storetest.Run(t, func(t *testing.T) storetest.Setup {
		m := new(storetest.Memory)
		return storetest.Setup{Stores: []shared.Store{m, m}}
	})
}

// broken is a Memory that breaks the contract.
type broken struct {
	*storetest.Memory
	load   func(b *broken, v shared.Value, err error) (shared.Value, error)
	lease  func(b *broken, ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error)
	save   func(b *broken, ctx context.Context, key, owner string, v shared.Value) (bool, error)
	revoke func(b *broken, ctx context.Context, key string, generation uint64) error
}

func (b *broken) Load(ctx context.Context, key string) (shared.Value, error) {
	v, err := b.Memory.Load(ctx, key)
	if b.load != nil {
		return b.load(b, v, err)
	}
	return v, err
}

func (b *broken) Lease(ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
	if b.lease != nil {
		return b.lease(b, ctx, key, owner, pause, ttl)
	}
	return b.Memory.Lease(ctx, key, owner, pause, ttl)
}

func (b *broken) Save(ctx context.Context, key, owner string, v shared.Value) (bool, error) {
	if b.save != nil {
		return b.save(b, ctx, key, owner, v)
	}
	return b.Memory.Save(ctx, key, owner, v)
}

func (b *broken) Revoke(ctx context.Context, key string, generation uint64) error {
	if b.revoke != nil {
		return b.revoke(b, ctx, key, generation)
	}
	return b.Memory.Revoke(ctx, key, generation)
}

// current is the generation of a key.
func (b *broken) current(key string) uint64 {
	v, _ := b.Memory.Load(context.Background(), key)
	return v.Generation
}

// defects are stores that break one rule each.
var defects = map[string]func() *broken{
	"Save ignores the generation": func() *broken {
		return &broken{save: func(b *broken, ctx context.Context, key, owner string, v shared.Value) (bool, error) {
			v.Generation = b.current(key)
			return b.Memory.Save(ctx, key, owner, v)
		}}
	},
	"only the owner may save": func() *broken {
		return &broken{save: func(b *broken, ctx context.Context, key, owner string, v shared.Value) (bool, error) {
			if l, err := b.Memory.Lease(ctx, key, "another", false, 0); err != nil || l.Owner != owner {
				return false, err
			}
			return b.Memory.Save(ctx, key, owner, v)
		}}
	},
	"Save keeps the lease": func() *broken {
		return &broken{save: func(b *broken, ctx context.Context, key, _ string, v shared.Value) (bool, error) {
			return b.Memory.Save(ctx, key, "another", v)
		}}
	},
	"Save ends any lease": func() *broken {
		return &broken{save: func(b *broken, ctx context.Context, key, _ string, v shared.Value) (bool, error) {
			l, err := b.Memory.Lease(ctx, key, "another", false, 0)
			if err != nil {
				return false, err
			}
			return b.Memory.Save(ctx, key, l.Owner, v)
		}}
	},
	"Save compares and replaces in two steps": func() *broken {
		return &broken{save: func(b *broken, ctx context.Context, key, owner string, v shared.Value) (bool, error) {
			if ctx.Err() != nil || v.Generation == 0 || b.current(key) != v.Generation {
				return false, ctx.Err()
			}
			time.Sleep(time.Millisecond)
			v.Generation = b.current(key)
			return b.Memory.Save(ctx, key, owner, v)
		}}
	},
	"values live for ever": func() *broken {
		return &broken{save: func(b *broken, ctx context.Context, key, owner string, v shared.Value) (bool, error) {
			v.Left *= 1000
			return b.Memory.Save(ctx, key, owner, v)
		}}
	},
	"Revoke ignores the generation": func() *broken {
		return &broken{revoke: func(b *broken, ctx context.Context, key string, _ uint64) error {
			return b.Memory.Revoke(ctx, key, b.current(key))
		}}
	},
	"Revoke drops nothing": func() *broken {
		return &broken{revoke: func(_ *broken, ctx context.Context, _ string, _ uint64) error { return ctx.Err() }}
	},
	"Revoke ends the lease": func() *broken {
		return &broken{revoke: func(b *broken, ctx context.Context, key string, generation uint64) error {
			if l, _ := b.Memory.Lease(ctx, key, "another", false, 0); l.Owner != "" && b.current(key) == generation {
				_, _ = b.Memory.Lease(ctx, key, l.Owner, false, 0)
			}
			return b.Memory.Revoke(ctx, key, generation)
		}}
	},
	"leases do not exclude": func() *broken {
		return &broken{lease: func(_ *broken, ctx context.Context, _, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
			return shared.Lease{Owner: owner, Pause: pause, Left: ttl}, ctx.Err()
		}}
	},
	"leases are not renewed": func() *broken {
		return &broken{lease: func(b *broken, ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
			if l, _ := b.Memory.Lease(ctx, key, "another", false, 0); l.Owner == owner && ttl > 0 {
				return l, nil
			}
			return b.Memory.Lease(ctx, key, owner, pause, ttl)
		}}
	},
	"leases last for ever": func() *broken {
		return &broken{lease: func(b *broken, ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
			l, err := b.Memory.Lease(ctx, key, owner, pause, 1000*ttl)
			l.Left = min(l.Left, ttl)
			return l, err
		}}
	},
	"a pause stays": func() *broken {
		return &broken{lease: func(b *broken, ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
			l, _ := b.Memory.Lease(ctx, key, "another", false, 0)
			return b.Memory.Lease(ctx, key, owner, pause || l.Owner == owner && l.Pause, ttl)
		}}
	},
	"any caller frees a lease": func() *broken {
		return &broken{lease: func(b *broken, ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
			if l, _ := b.Memory.Lease(ctx, key, "another", false, 0); ttl == 0 && l.Owner != "" {
				owner = l.Owner
			}
			return b.Memory.Lease(ctx, key, owner, pause, ttl)
		}}
	},
	"an expired value has no generation": func() *broken {
		return &broken{load: func(_ *broken, v shared.Value, err error) (shared.Value, error) {
			if err != nil {
				v = shared.Value{}
			}
			return v, err
		}}
	},
	"contexts are ignored": func() *broken {
		return &broken{save: func(b *broken, ctx context.Context, key, owner string, v shared.Value) (bool, error) {
			return b.Memory.Save(context.WithoutCancel(ctx), key, owner, v)
		}}
	},
	"loaded bytes are those of the store": func() *broken {
		values := new(sync.Map)
		return &broken{load: func(_ *broken, v shared.Value, err error) (shared.Value, error) {
			if first, ok := values.LoadOrStore(v.Generation, v.Sealed); ok {
				v.Sealed = first.([]byte)
			}
			return v, err
		}}
	},
	"generations count from 1": func() *broken {
		generations := new(atomic.Uint64)
		return &broken{lease: func(b *broken, ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
			first := b.current(key) == 0
			l, err := b.Memory.Lease(ctx, key, owner, pause, ttl)
			if first && err == nil {
				b.SetGeneration(key, generations.Add(1))
			}
			return l, err
		}}
	},
}

// defect is the variable that makes TestDefect run.
const defect = "STSCHAIN_TEST_DEFECT"

// TestDefect fails. Only TestRun runs it, in a process of its own.
func TestDefect(t *testing.T) {
	broken := defects[os.Getenv(defect)]
	if broken == nil {
		t.Skip("TestRun runs it")
	}
	storetest.Run(t, func(t *testing.T) storetest.Setup {
		mock := clock.NewMock()
		b := broken()
		b.Memory = &storetest.Memory{Clock: mock}
		return storetest.Setup{Stores: []shared.Store{b, b}, Flush: b.Flush, Advance: mock.Add}
	})
}

// Run finds each defect.
func TestRun(t *testing.T) {
	for name := range defects {
		t.Run(name, func(t *testing.T) {
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDefect$", "-test.failfast", "-test.timeout=1m")
			child.Env = append(os.Environ(), defect+"="+name)
			out, err := child.CombinedOutput()
			require.Error(t, err, "no test found it")
			require.True(t, bytes.Contains(out, []byte("--- FAIL: TestDefect/")), string(out))
			require.False(t, bytes.Contains(out, []byte("panic:")), string(out))
		})
	}
}
