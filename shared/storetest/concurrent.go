package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain/shared"
)

// callers is the number of concurrent callers.
const callers = 50

// concurrently runs do for each caller at the same time, and returns when all have returned.
func (c *contract) concurrently(do func(ctx context.Context, n int, store shared.Store) error) {
	c.Helper()
	ctx := c.bounded()
	errs := make([]error, callers)
	begin := make(chan struct{})
	var group sync.WaitGroup
	for n := range callers {
		group.Go(func() {
			<-begin
			errs[n] = do(ctx, n, c.store(n))
		})
	}
	close(begin)
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		c.Fatal(err)
	}
}

func name(n int) string { return fmt.Sprint("caller ", n) }

// concurrentTests have many callers at once.
var concurrentTests = []test{
	{"one of many gets the first lease", func(c *contract) {
		key := drawKey()
		var granted atomic.Int64
		var generations sync.Map
		c.concurrently(func(ctx context.Context, n int, s shared.Store) error {
			lease, err := s.Lease(ctx, key, name(n), false, long)
			if lease.Owner == name(n) {
				granted.Add(1)
			}
			v, loadErr := s.Load(ctx, key)
			generations.Store(v.Generation, true)
			if errors.Is(loadErr, shared.ErrMissing) {
				loadErr = nil
			}
			return errors.Join(err, loadErr)
		})
		if granted.Load() != 1 {
			c.Fatalf("%d of %d callers got the lease; want 1", granted.Load(), callers)
		}
		seen := 0
		generations.Range(func(any, any) bool { seen++; return true })
		if v, _ := c.load(0, key); seen != 1 || v.Generation == 0 {
			c.Fatalf("the key had %d generations; want 1", seen)
		}
	}},
	{"leases exclude each other", func(c *contract) {
		key := drawKey()
		var holders, turns atomic.Int64
		c.concurrently(func(ctx context.Context, n int, s shared.Store) error {
			for {
				lease, err := s.Lease(ctx, key, name(n), false, long)
				if err != nil {
					return err
				}
				if lease.Owner == name(n) {
					break
				}
				time.Sleep(time.Millisecond)
			}
			others := holders.Add(1) - 1
			time.Sleep(time.Millisecond)
			holders.Add(-1)
			turns.Add(1)
			_, err := s.Lease(ctx, key, name(n), false, 0)
			if others != 0 {
				err = errors.Join(err, fmt.Errorf("%d other callers have the lease of %s", others, name(n)))
			}
			return err
		})
		if turns.Load() != callers {
			c.Fatalf("%d of %d callers got the lease in turn", turns.Load(), callers)
		}
		c.wantFree(key)
	}},
	{"one of many Saves of a generation is kept", func(c *contract) {
		key, generation := c.prepare()
		for range 5 {
			var kept atomic.Int64
			var winner atomic.Value
			c.concurrently(func(ctx context.Context, n int, s shared.Store) error {
				ok, err := s.Save(ctx, key, name(n), shared.Value{Sealed: []byte(name(n)), Left: long, Generation: generation})
				if ok {
					kept.Add(1)
					winner.Store(name(n))
				}
				return err
			})
			if kept.Load() != 1 {
				c.Fatalf("%d Saves of %d were kept; want 1", kept.Load(), callers)
			}
			generation++
			c.wantValue(key, winner.Load().(string), generation)
		}
	}},
	{"Saves and Revokes of one generation", func(c *contract) {
		key, generation := c.prepare()
		c.wantKept(0, key, "a", "value", long, generation)
		generation++
		var kept atomic.Int64
		c.concurrently(func(ctx context.Context, n int, s shared.Store) error {
			if n%2 == 0 {
				return s.Revoke(ctx, key, generation)
			}
			ok, err := s.Save(ctx, key, name(n), shared.Value{Sealed: []byte("new"), Left: long, Generation: generation})
			if ok {
				kept.Add(1)
			}
			return err
		})
		switch kept.Load() {
		case 0:
			c.wantMissing(key, generation+1)
		case 1:
			c.wantValue(key, "new", generation+1)
		default:
			c.Fatalf("%d Saves were kept; want at most 1", kept.Load())
		}
	}},
	{"no value is torn", func(c *contract) {
		key, generation := c.prepare()
		values := make([]string, 4)
		for i := range values {
			values[i] = fmt.Sprintf("%0*d", maxSealed/2, i)
		}
		c.wantKept(0, key, "a", values[0], long, generation)
		var current atomic.Uint64
		current.Store(generation + 1)
		c.concurrently(func(ctx context.Context, n int, s shared.Store) error {
			for range 3 {
				if n < 5 {
					at := current.Load()
					kept, err := s.Save(ctx, key, name(n), shared.Value{Sealed: []byte(values[n%4]), Left: long, Generation: at})
					if err != nil {
						return err
					}
					if kept {
						current.Add(1)
					}
					continue
				}
				v, err := s.Load(ctx, key)
				if err != nil {
					return err
				}
				if got := string(v.Sealed); got != values[0] && got != values[1] && got != values[2] && got != values[3] {
					return fmt.Errorf("Load returned %d bytes that were not saved together", len(got))
				}
			}
			return nil
		})
	}},
}
