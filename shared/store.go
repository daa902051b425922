package shared

import (
	"context"
	"errors"
	"time"
)

// Store keeps sealed values and leases for a fleet: a key-value engine, or a directory. It never sees credentials, and
// decides nothing but which of several callers was first. Package storetest is this contract as a test.
//
// A key is 64 lower-case hexadecimal digits. Each method is one atomic operation on one key. All times are durations by the
// store's own clock: the clocks of its callers may differ. A method returns when its ctx ends. No operation is
// repeated after an error, neither by a Provider nor by an implementation, because the first one may
// have been executed.
//
// The generation of a key names one value of it. It is never 0 and below 2^53, and rises by one with each Save that is kept
// and each Revoke that drops a value. A key without a generation gets one from Lease, at random from 1 to 2^52-1, so that
// no generation comes back after the store lost its data. It may be forgotten after a week without an operation on its key.
//
// A store whose callers are all on one machine has the method Local() bool and returns true: these can share
// sessions whose default names have the name of the host.
type Store interface {
	// Load returns the value of a key. If there is none, or it has expired, the error is [ErrMissing] and
	// the Value has only the current generation, which is 0 if there is none.
	Load(ctx context.Context, key string) (Value, error)

	// Lease takes the lease of a key for owner if it is free, and renews it if it is the owner's. Then it lasts for ttl, and a
	// ttl of 0 frees it. In both cases pause replaces what was set before. Lease returns the lease that the key has
	// afterwards: that of another owner if it was not free, and the zero Lease if it is free, or ended meanwhile.
	Lease(ctx context.Context, key, owner string, pause bool, ttl time.Duration) (Lease, error)

	// Save replaces the value if v.Generation is the current generation and not 0, and reports whether it did. A value that is kept ends
	// the lease of owner, expires after v.Left, and has the next generation. Save does not require a lease.
	Save(ctx context.Context, key, owner string, v Value) (kept bool, err error)

	// Revoke drops the value if generation is the current one, which then rises. Otherwise, or if there is no value, it does nothing.
	Revoke(ctx context.Context, key string, generation uint64) error
}

// ErrMissing is the error of [Store.Load] if there is no value.
var ErrMissing = errors.New("shared: the store has no value")

// Value is a sealed value in a [Store].
type Value struct {
	Sealed     []byte        // at most 64 KiB
	Left       time.Duration // until it expires, in whole milliseconds or finer
	Generation uint64
}

// Lease is the right to refresh a key, of one caller at a time.
type Lease struct {
	Owner string        // drawn at random for each attempt; "": the lease is free
	Pause bool          // it is kept after a failure or a useless refresh, so that no caller attempts another one
	Left  time.Duration // until it ends
}
