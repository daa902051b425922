package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/stschain-go/stschain/shared"
)

// short returns a time that a test lets pass. It is short only if that is real time.
func (c *contract) short() time.Duration {
	if c.Advance != nil {
		return 10 * time.Second
	}
	return 500 * time.Millisecond
}

// passes fails unless over returns true when d has passed since began, and not much before.
func (c *contract) passes(began time.Time, d time.Duration, over func() bool) {
	c.Helper()
	if c.Advance != nil {
		c.Advance(d - time.Second)
		if over() {
			c.Fatalf("it ended a second before %v", d)
		}
		c.Advance(time.Second)
		if !over() {
			c.Fatalf("it did not end after %v", d)
		}
		return
	}
	for !over() {
		if time.Since(began) > d+patience {
			c.Fatalf("it did not end %v after %v", patience, d)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if passed := time.Since(began); passed < d*3/4 { // clocks may differ a little
		c.Fatalf("it ended after %v; want %v", passed, d)
	}
}

// timeTests let time pass.
var timeTests = []test{
	{"a value expires", func(c *contract) {
		key, generation := c.prepare()
		began := time.Now()
		c.wantKept(0, key, "a", "value", c.short(), generation)
		c.passes(began, c.short(), func() bool { _, ok := c.load(1, key); return !ok })
		c.wantMissing(key, generation+1) // the generation stays
		c.wantRefused(0, key, "a", generation)
		c.wantKept(0, key, "a", "next", long, generation+1)
		c.wantValue(key, "next", generation+2)
	}},
	{"a lease ends", func(c *contract) {
		key, generation := c.prepare()
		began := time.Now()
		c.lease(0, key, "a", true, c.short())
		c.passes(began, c.short(), func() bool { return c.lease(1, key, "b", false, long).Owner == "b" })
		c.wantLease(c.lease(0, key, "a", false, long), "b", false, long) // it is too late to renew it
		c.wantLease(c.lease(0, key, "a", false, 0), "b", false, long)
		c.wantKept(0, key, "a", "late", long, generation) // but not to save
		c.wantLease(c.lease(0, key, "a", false, long), "b", false, long)
		c.wantValue(key, "late", generation+1)
	}},
	{"a lease that has ended is free", func(c *contract) {
		key := drawKey()
		began := time.Now()
		c.lease(0, key, "a", false, c.short())
		c.passes(began, c.short(), func() bool { return c.lease(1, key, "b", false, 0) == shared.Lease{} })
		c.wantFree(key)
	}},
	{"a renewed lease ends later", func(c *contract) {
		key := drawKey()
		c.lease(0, key, "a", false, long)
		began := time.Now()
		c.lease(0, key, "a", false, c.short()) // and sooner, if that is what is renewed to
		c.passes(began, c.short(), func() bool { return c.lease(1, key, "b", false, 0) == shared.Lease{} })
		if c.Advance == nil {
			return
		}
		for range 5 {
			c.lease(0, key, "a", false, c.short())
			c.Advance(c.short() * 3 / 4)
			c.wantLease(c.lease(1, key, "b", false, long), "a", false, c.short())
		}
	}},
	{"a new value expires later", func(c *contract) {
		key, generation := c.prepare()
		c.wantKept(0, key, "a", "value", c.short(), generation)
		c.revoke(0, key, generation+1)
		v, _ := c.load(0, key)
		c.wantKept(0, key, "a", "next", long, v.Generation)
		if c.Advance != nil {
			c.Advance(2 * c.short())
		} else {
			time.Sleep(c.short() * 3 / 2) // a value that expires too early is found, one that does not never fails
		}
		c.wantValue(key, "next", v.Generation+1)
	}},
	{"an expired value is replaced with its generation", func(c *contract) {
		key, generation := c.prepare()
		for range 3 {
			began := time.Now()
			c.wantKept(0, key, "a", "value", c.short(), generation)
			generation++
			c.passes(began, c.short(), func() bool { _, ok := c.load(1, key); return !ok })
			c.wantMissing(key, generation)
		}
	}},
}

// faultTests are about contexts that end, and about a store that fails.
var faultTests = []test{
	{"a context that has ended", func(c *contract) {
		key, generation := c.prepare()
		ctx, cancel := context.WithCancel(c.Context())
		cancel()
		c.wantErrors(ctx, key, generation)
	}},
	{"a context that ends meanwhile", func(c *contract) {
		if c.Hang == nil {
			c.Skip("Setup.Hang is not set")
		}
		key, generation := c.prepare()
		c.Hang()
		ctx, cancel := context.WithTimeout(c.Context(), 50*time.Millisecond)
		defer cancel()
		c.wantErrors(ctx, key, generation)
	}},
	{"a flush", func(c *contract) {
		if c.Flush == nil {
			c.Skip("Setup.Flush is not set")
		}
		key, generation := c.prepare()
		seen := map[uint64]bool{}
		for range 5 {
			c.wantKept(0, key, "a", "value", long, generation)
			c.lease(0, key, "a", false, long)
			for n := range uint64(3) {
				seen[generation+n] = true
			}
			c.Flush()
			c.wantMissing(key, 0)
			c.wantRefused(0, key, "a", generation+1)
			c.wantLease(c.lease(1, key, "b", false, long), "b", false, long)
			v, _ := c.load(0, key)
			if generation = v.Generation; seen[generation] || generation == 0 {
				c.Fatalf("after a flush the generation %d came back", generation)
			}
			c.wantRefused(0, key, "a", generation+1)
			c.revoke(0, key, generation+1)
			c.wantMissing(key, generation)
		}
	}},
}

// wantErrors fails unless every method returns an error of its own, as ctx has ended or soon ends.
func (c *contract) wantErrors(ctx context.Context, key string, generation uint64) {
	c.Helper()
	for method, call := range map[Operation]func() error{
		Load:  func() error { _, err := c.store(0).Load(ctx, key); return err },
		Lease: func() error { _, err := c.store(0).Lease(ctx, key, "a", false, long); return err },
		Save: func() error {
			_, err := c.store(0).Save(ctx, key, "a", shared.Value{Sealed: []byte("value"), Left: long, Generation: generation})
			return err
		},
		Revoke: func() error { return c.store(0).Revoke(ctx, key, generation) },
	} {
		returned := make(chan error, 1)
		go func() { returned <- call() }()
		select {
		case err := <-returned:
			if err == nil || errors.Is(err, shared.ErrMissing) {
				c.Errorf("%s returned %v, although its context has ended", method, err)
			}
		case <-time.After(patience):
			c.Fatalf("%s did not return within %v after its context ended", method, patience)
		}
	}
}
