package storetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/stschain-go/stschain/shared"
)

// Setup is a store under test.
type Setup struct {
	// Stores are two or more handles to one store, such as clients of one server. The store may have other
	// entries: each test uses keys of its own, which it does not remove.
	Stores []shared.Store

	// Flush makes the store lose everything, as a server that restarts without its data. nil: this is not tested.
	Flush func()

	// Advance moves the clock of the store. nil: the tests wait in real time, a few seconds in all.
	Advance func(time.Duration)

	// Hang stops the store until the test ends: no operation returns unless its context ends. nil: this is not tested.
	Hang func()
}

// Run tests the whole contract of [shared.Store] in subtests. Each of them calls open; cleaning up is up to t.Cleanup in open.
// It does not test what happens to a key that is not used for a week.
func Run(t *testing.T, open func(t *testing.T) Setup) {
	t.Helper()
	for _, tests := range [][]test{valueTests, leaseTests, concurrentTests, timeTests, faultTests} {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				c := &contract{T: t, Setup: open(t)}
				if len(c.Stores) < 2 {
					t.Fatalf("there are %d handles, and two or more are needed", len(c.Stores))
				}
				test.run(c)
			})
		}
	}
}

type test struct {
	name string
	run  func(*contract)
}

// contract is a test of a store.
type contract struct {
	*testing.T
	Setup
}

// patience limits every operation. It is long because the machine may be busy.
const patience = time.Minute

// long is a time that does not pass while a test runs.
const long = time.Hour

// drawKey returns a key that was not used before.
func drawKey() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	return hex.EncodeToString(key)
}

// store returns one of the handles. Successive numbers return different ones.
func (c *contract) store(n int) shared.Store { return c.Stores[n%len(c.Stores)] }

func (c *contract) bounded() context.Context {
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	c.Cleanup(cancel)
	return ctx
}

// load returns the value by handle n, and whether there is one.
func (c *contract) load(n int, key string) (shared.Value, bool) {
	c.Helper()
	v, err := c.store(n).Load(c.bounded(), key)
	switch {
	case err == nil && v.Left <= 0:
		c.Fatalf("Load returned a value that expires in %v", v.Left)
	case errors.Is(err, shared.ErrMissing) && (len(v.Sealed) != 0 || v.Left != 0):
		c.Fatalf("Load returned ErrMissing and a value of %d bytes that expires in %v", len(v.Sealed), v.Left)
	case err != nil && !errors.Is(err, shared.ErrMissing):
		c.Fatalf("Load: %v", err)
	}
	return v, err == nil
}

// wantValue fails unless every handle returns this value and generation.
func (c *contract) wantValue(key, sealed string, generation uint64) {
	c.Helper()
	for n := range c.Stores {
		v, ok := c.load(n, key)
		if !ok || string(v.Sealed) != sealed || v.Generation != generation {
			c.Fatalf("handle %d: Load returned %.40q, generation %d, found %t; want %.40q, generation %d", n, v.Sealed, v.Generation, ok, sealed, generation)
		}
	}
}

// wantMissing fails unless every handle returns no value, and this generation.
func (c *contract) wantMissing(key string, generation uint64) {
	c.Helper()
	for n := range c.Stores {
		if v, ok := c.load(n, key); ok || v.Generation != generation {
			c.Fatalf("handle %d: Load returned %.40q, generation %d, found %t; want no value and generation %d", n, v.Sealed, v.Generation, ok, generation)
		}
	}
}

func (c *contract) lease(n int, key, owner string, pause bool, ttl time.Duration) shared.Lease {
	c.Helper()
	lease, err := c.store(n).Lease(c.bounded(), key, owner, pause, ttl)
	if err != nil {
		c.Fatalf("Lease: %v", err)
	}
	return lease
}

// wantLease fails unless an operation returned the lease of owner, which lasts for ttl or a little less.
func (c *contract) wantLease(got shared.Lease, owner string, pause bool, ttl time.Duration) {
	c.Helper()
	if got.Owner != owner || got.Pause != pause || got.Left <= 0 || got.Left > ttl || got.Left < ttl-2*patience {
		c.Fatalf("Lease returned %+v; want owner %q, pause %t, and at most %v left", got, owner, pause, ttl)
	}
}

// wantFree fails unless the lease is free. It is free afterwards, too.
func (c *contract) wantFree(key string) {
	c.Helper()
	for n := range c.Stores {
		if got := c.lease(n, key, "an owner to look with", false, 0); got != (shared.Lease{}) {
			c.Fatalf("handle %d: Lease returned %+v; want the zero Lease", n, got)
		}
	}
}

// prepare returns a new key and its generation.
func (c *contract) prepare() (key string, generation uint64) {
	c.Helper()
	key = drawKey()
	c.lease(0, key, "an owner that prepares", false, long)
	c.lease(0, key, "an owner that prepares", false, 0)
	v, _ := c.load(0, key)
	if v.Generation == 0 {
		c.Fatal("Lease gave the key no generation")
	}
	return key, v.Generation
}

func (c *contract) save(n int, key, owner, sealed string, left time.Duration, generation uint64) (kept bool) {
	c.Helper()
	kept, err := c.store(n).Save(c.bounded(), key, owner, shared.Value{Sealed: []byte(sealed), Left: left, Generation: generation})
	if err != nil {
		c.Fatalf("Save: %v", err)
	}
	return kept
}

// wantKept saves, and fails if the store does not keep the value.
func (c *contract) wantKept(n int, key, owner, sealed string, left time.Duration, generation uint64) {
	c.Helper()
	if !c.save(n, key, owner, sealed, left, generation) {
		c.Fatalf("Save was refused, although its generation %d is the current one", generation)
	}
}

// wantRefused saves, and fails if the store keeps the value.
func (c *contract) wantRefused(n int, key, owner string, generation uint64) {
	c.Helper()
	if c.save(n, key, owner, "refused", long, generation) {
		c.Fatalf("Save was kept, although its generation %d is not the current one", generation)
	}
}

func (c *contract) revoke(n int, key string, generation uint64) {
	c.Helper()
	if err := c.store(n).Revoke(c.bounded(), key, generation); err != nil {
		c.Fatalf("Revoke: %v", err)
	}
}
