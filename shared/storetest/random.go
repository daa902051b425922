package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/stschain-go/stschain/shared"
)

// random compares the store with a Memory, whose time does not pass either.
func random(c *contract) {
	var model Memory
	r := rand.New(rand.NewPCG(4711, 0))
	keys := []string{drawKey(), drawKey()}
	first := map[string][2]uint64{} // generations of model and store, from which they count
	for step := range 400 {
		key, owner, n := keys[r.IntN(2)], string(rune('a'+r.IntN(3))), r.IntN(len(c.Stores))
		inModel, err := model.Load(c.Context(), key)
		found := err == nil
		offset := uint64(r.IntN(8)) / 7 // mostly the current generation
		base := first[key]
		name, want, got := "", "", ""
		switch op := r.IntN(8); {
		case op < 4:
			pause, ttl := r.IntN(2) == 0, long*2
			if r.IntN(3) == 0 {
				ttl = 0
			}
			name = fmt.Sprintf("Lease %s, pause %t, ttl %v", owner, pause, ttl)
			lease, _ := model.Lease(c.Context(), key, owner, pause, ttl)
			want = describe(lease)
			got = describe(c.lease(n, key, owner, pause, ttl))
		case op < 6 && inModel.Generation != 0:
			sealed := fmt.Sprint("value ", step)
			generation := inModel.Generation + offset
			name = fmt.Sprintf("Save by %s, generation off by %d", owner, offset)
			kept, _ := model.Save(c.Context(), key, owner, shared.Value{Sealed: []byte(sealed), Left: long, Generation: generation})
			want = fmt.Sprint(kept)
			got = fmt.Sprint(c.save(n, key, owner, sealed, long, generation-base[0]+base[1]))
		case op == 6 && found:
			generation := inModel.Generation - offset
			name = fmt.Sprintf("Revoke, generation off by %d", offset)
			_ = model.Revoke(c.Context(), key, generation)
			c.revoke(n, key, generation-base[0]+base[1])
		default:
			continue
		}
		if want != got {
			c.Fatalf("step %d: %s returned %s; want %s", step, name, got, want)
		}

		wanted, err := model.Load(c.Context(), key)
		v, ok := c.load(n+1, key)
		if base == [2]uint64{} {
			base = [2]uint64{wanted.Generation, v.Generation}
			first[key] = base
		}
		if ok == errors.Is(err, shared.ErrMissing) || string(v.Sealed) != string(wanted.Sealed) || v.Generation-base[1] != wanted.Generation-base[0] {
			c.Fatalf("step %d: after %s, Load returned %q, generation %d; want %q, generation %d, with generations that began at %d and %d",
				step, name, v.Sealed, v.Generation, wanted.Sealed, wanted.Generation, base[1], base[0])
		}
	}
}

func describe(l shared.Lease) string {
	return fmt.Sprintf("owner %q, pause %t, lasting %t", l.Owner, l.Pause, l.Left > 0)
}
