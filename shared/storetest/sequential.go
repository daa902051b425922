package storetest

import (
	"strings"

	"github.com/stschain-go/stschain/shared"
)

// valueTests are about values and generations.
var valueTests = []test{
	{"no value", func(c *contract) {
		key := drawKey()
		c.wantMissing(key, 0)
		c.wantRefused(0, key, "a", 0)
		c.wantRefused(0, key, "a", 1)
		c.revoke(0, key, 0)
		c.revoke(0, key, 1)
		c.wantMissing(key, 0)
	}},
	{"the first generation", func(c *contract) {
		seen := map[uint64]bool{}
		for range 20 {
			key, generation := c.prepare()
			c.wantMissing(key, generation)
			for n := range uint64(100) { // neighbors are not random
				if seen[generation+n] || seen[generation-n] || generation == 0 || generation >= 1<<52 {
					c.Fatalf("generation %d is not drawn at random from 1 to 2^52-1", generation)
				}
			}
			seen[generation] = true
		}
	}},
	{"the first generation stays", func(c *contract) {
		key, generation := c.prepare()
		c.lease(1, key, "b", true, long)
		c.wantMissing(key, generation)
		c.lease(1, key, "b", true, 0)
		c.wantMissing(key, generation)
	}},
	{"Save", func(c *contract) {
		key, generation := c.prepare()
		c.wantKept(0, key, "a", "one", long, generation)
		c.wantValue(key, "one", generation+1)
		c.wantKept(1, key, "b", "two", long, generation+1)
		c.wantValue(key, "two", generation+2)
		for _, other := range []uint64{0, 1, generation, generation + 1, generation + 3} {
			c.wantRefused(0, key, "a", other)
			c.wantValue(key, "two", generation+2)
		}
		c.wantKept(0, key, "a", "three", long/2, generation+2) // it need not outlive what it replaces
		c.wantValue(key, "three", generation+3)
	}},
	{"the time that a value has left", func(c *contract) {
		key, generation := c.prepare()
		c.wantKept(0, key, "a", "one", long, generation)
		if v, _ := c.load(1, key); v.Left > long || v.Left < long-2*patience {
			c.Fatalf("Load returned a value with %v left, which was saved with %v", v.Left, long)
		}
	}},
	{"Revoke", func(c *contract) {
		key, generation := c.prepare()
		c.wantKept(0, key, "a", "one", long, generation)
		c.wantLease(c.lease(0, key, "a", true, long), "a", true, long)
		for _, other := range []uint64{0, 1, generation, generation + 2} {
			c.revoke(1, key, other)
			c.wantValue(key, "one", generation+1)
		}
		c.revoke(1, key, generation+1)
		c.wantMissing(key, generation+2)
		c.wantLease(c.lease(1, key, "b", false, long), "a", true, long) // the lease stays
		c.wantRefused(1, key, "a", generation+1)
		c.wantKept(1, key, "b", "two", long, generation+2)
		c.wantValue(key, "two", generation+3)
	}},
	{"every byte, and every size up to the largest", func(c *contract) {
		all := new(strings.Builder)
		for b := range 256 {
			all.WriteByte(byte(b))
		}
		key, generation := c.prepare()
		for _, sealed := range []string{"", "\x00", "\r\n", "\xff\xfe", all.String(), strings.Repeat(all.String(), maxSealed/256)} {
			c.wantKept(0, key, "a", sealed, long, generation)
			generation++
			c.wantValue(key, sealed, generation)
		}
	}},
	{"bytes are copied", func(c *contract) {
		key, generation := c.prepare()
		saved := []byte("secret")
		if kept, err := c.store(0).Save(c.bounded(), key, "a", shared.Value{Sealed: saved, Left: long, Generation: generation}); err != nil || !kept {
			c.Fatalf("Save: %t, %v", kept, err)
		}
		copy(saved, "......")
		c.wantValue(key, "secret", generation+1)
		v, _ := c.load(0, key)
		copy(v.Sealed, "......")
		c.wantValue(key, "secret", generation+1)
	}},
	{"keys are independent", func(c *contract) {
		one, _ := c.prepare()
		last := "0"
		if strings.HasSuffix(one, last) {
			last = "1"
		}
		two := one[:63] + last // the last digit differs
		c.wantMissing(two, 0)
		c.wantLease(c.lease(0, one, "a", false, long), "a", false, long)
		c.wantLease(c.lease(0, two, "b", true, long), "b", true, long)
		v, _ := c.load(0, one)
		w, _ := c.load(0, two)
		c.wantKept(0, two, "b", "two", long, w.Generation)
		c.wantMissing(one, v.Generation)
		c.wantKept(0, one, "b", "one", long, v.Generation)
		c.revoke(0, two, w.Generation+1)
		c.wantValue(one, "one", v.Generation+1)
		c.wantLease(c.lease(0, one, "b", false, 0), "a", false, long)
	}},
}

// leaseTests are about leases.
var leaseTests = []test{
	{"a lease", func(c *contract) {
		key := drawKey()
		c.wantFree(key)
		c.wantLease(c.lease(0, key, "a", false, long), "a", false, long)
		c.wantLease(c.lease(1, key, "b", false, 2*long), "a", false, long)
		c.wantLease(c.lease(1, key, "b", true, 2*long), "a", false, long)
		c.wantLease(c.lease(1, key, "b", true, 0), "a", false, long)
	}},
	{"a lease is renewed", func(c *contract) {
		key := drawKey()
		c.lease(0, key, "a", false, long)
		c.wantLease(c.lease(0, key, "a", false, 2*long), "a", false, 2*long)
		c.wantLease(c.lease(1, key, "b", false, long), "a", false, 2*long)
		c.wantLease(c.lease(1, key, "a", false, long), "a", false, long) // shorter, and by another handle
		c.wantLease(c.lease(0, key, "b", false, long), "a", false, long)
	}},
	{"a lease is freed", func(c *contract) {
		key := drawKey()
		c.lease(0, key, "a", false, long)
		if got := c.lease(0, key, "a", true, 0); got != (shared.Lease{}) {
			c.Fatalf("Lease returned %+v after the lease was freed; want the zero Lease", got)
		}
		c.wantFree(key)
		c.wantLease(c.lease(1, key, "b", false, long), "b", false, long)
		c.wantLease(c.lease(0, key, "a", false, 0), "b", false, long)
	}},
	{"the pause of a lease is replaced", func(c *contract) {
		key := drawKey()
		c.lease(0, key, "a", false, long)
		for _, pause := range []bool{true, true, false, true} {
			c.wantLease(c.lease(0, key, "a", pause, long), "a", pause, long)
			c.wantLease(c.lease(1, key, "b", !pause, long), "a", pause, long)
		}
	}},
	{"Save ends the lease of its owner only", func(c *contract) {
		key, generation := c.prepare()
		c.lease(0, key, "a", false, long)
		c.wantRefused(0, key, "a", generation+1)
		c.wantLease(c.lease(1, key, "b", false, long), "a", false, long) // a Save that is refused ends nothing
		c.wantKept(1, key, "b", "late", long, generation)
		c.wantLease(c.lease(1, key, "b", false, long), "a", false, long)
		c.wantKept(0, key, "a", "value", long, generation+1)
		c.wantFree(key)
		c.wantKept(0, key, "a", "without a lease", long, generation+2)
		c.wantValue(key, "without a lease", generation+3)
	}},
	{"a lease that is kept for a pause ends with a Save", func(c *contract) {
		key, generation := c.prepare()
		c.lease(0, key, "a", true, long)
		c.wantKept(1, key, "a", "value", long, generation)
		c.wantFree(key)
	}},
	{"operations in random order", random},
}
