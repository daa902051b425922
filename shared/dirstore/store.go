package dirstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/shared"
)

// Store is a [shared.Store] in a directory. Its fields must not change after the first use. Two Stores of one directory work
// together, whether they are of one process or not. A Store must not be copied.
//
// Values are at most 64 KiB, owners at most 1 KiB, and keys are in lower case.
type Store struct {
	Dir          string         // required; made with mode 0700 if it does not exist
	AllowNetwork bool           // allows network file systems, on which the lock of a lease may not exclude other machines
	Clock        stschain.Clock // nil: the system clock. For tests: the processes of a directory need the same one

	isNetwork func(dir *os.File) (kind string, err error) // of tests

	once  sync.Once
	slots chan struct{} // one for each operation that runs

	mu    sync.Mutex         // no I/O under it
	locks map[string]ownLock // of leases of this Store, by ID
	swept time.Time
}

var _ shared.Store = (*Store)(nil)

// ownLock is the lock of a lease of this Store.
type ownLock struct {
	owner string
	file  *os.File
	until time.Time
}

// Local reports whether all processes that use the directory are on this machine.
func (s *Store) Local() bool { return !s.AllowNetwork }

// Load implements [shared.Store].
func (s *Store) Load(ctx context.Context, key string) (shared.Value, error) {
	return operate(ctx, s, key, func() (v shared.Value, err error) {
		root, err := s.open(false)
		if errors.Is(err, fs.ErrNotExist) {
			return v, shared.ErrMissing
		}
		if err != nil {
			return v, err
		}
		defer root.Close()
		d, err := openKey(ctx, root, key)
		if err != nil {
			return v, err
		}
		defer d.close()
		now := system.Now(s.Clock)
		d.touch()
		v.Generation = d.Generation
		if v.Left = d.value.left(now); v.Left == 0 {
			return v, shared.ErrMissing
		}
		v.Sealed = d.Sealed
		return v, nil
	})
}

// Lease implements [shared.Store]. Unless it is for a pause, the lease ends with this process.
func (s *Store) Lease(ctx context.Context, key, owner string, pause bool, ttl time.Duration) (shared.Lease, error) {
	if owner == "" || len(owner) > maxOwner {
		return shared.Lease{}, fmt.Errorf("dirstore: the owner has %d bytes: use 1 to %d", len(owner), maxOwner)
	}
	return operate(ctx, s, key, func() (shared.Lease, error) {
		root, err := s.open(true)
		if err != nil {
			return shared.Lease{}, err
		}
		defer root.Close()
		var got shared.Lease
		err = change(ctx, root, key, func(d *keyDir) (done bool, err error) {
			got, done, err = s.lease(ctx, d, owner, pause, ttl)
			return done, err
		})
		if err == nil {
			s.sweep(root)
		}
		return got, err
	})
}

// lease leases the key for owner once. done is false if another process changed the key meanwhile.
func (s *Store) lease(ctx context.Context, d *keyDir, owner string, pause bool, ttl time.Duration) (got shared.Lease, done bool, err error) {
	if d.Generation == 0 {
		next := record{Generation: firstGeneration()}
		_, err := s.replace(ctx, d, next)
		return got, false, err
	}
	now := system.Now(s.Clock)
	current := d.lease
	left := current.left(now)
	isOwner := string(current.Owner) == owner
	switch {
	case left > 0 && !isOwner && (current.Pause || d.isLocked(current.Lock)):
		return shared.Lease{Owner: string(current.Owner), Pause: current.Pause, Left: left}, true, nil
	case ttl <= 0 && (left == 0 || !isOwner):
		return got, true, nil
	}
	next := d.record
	next.lease = lease{}
	if ttl > 0 {
		next.lease = lease{Owner: []byte(owner), Pause: pause, Taken: now.UnixNano(), TTL: ttl}
	}
	if ttl > 0 && !pause {
		if next.Lock, err = s.lock(d, owner, now.Add(ttl)); err != nil {
			return got, false, err
		}
	}
	done, err = s.replace(ctx, d, next)
	if !done || ttl <= 0 {
		return got, done, err
	}
	if left = next.lease.left(system.Now(s.Clock)); left == 0 { // this process was stopped, or the disk is slow
		return got, true, nil
	}
	return shared.Lease{Owner: owner, Pause: pause, Left: left}, true, nil
}

// lock returns the ID of the lock that owner has by this Store, or of a new one.
func (s *Store) lock(d *keyDir, owner string, until time.Time) (id string, err error) {
	s.mu.Lock()
	lock, ok := s.locks[d.Lock]
	if ok = ok && lock.owner == owner; ok {
		lock.until = until
		s.locks[d.Lock] = lock
	}
	s.mu.Unlock()
	if ok {
		return d.Lock, nil
	}
	id, file, err := d.lock()
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locks == nil {
		s.locks = map[string]ownLock{}
	}
	s.locks[id] = ownLock{owner, file, until}
	return id, nil
}

// replace makes next the record of the key, if it was not changed since d was opened, and releases locks that are of no use then.
func (s *Store) replace(ctx context.Context, d *keyDir, next record) (replaced bool, err error) {
	replaced, err = d.replace(ctx, next)
	useless := next.Lock
	if replaced {
		useless = d.Lock
	}
	if next.Lock == d.Lock { // a lease that is or was to be renewed
		useless = ""
	}
	now := system.Now(s.Clock)
	var files []*os.File
	s.mu.Lock()
	for id, lock := range s.locks {
		if id == useless || !now.Before(lock.until) { // neither renewed nor freed
			files = append(files, lock.file)
			delete(s.locks, id)
		}
	}
	s.mu.Unlock()
	for _, f := range files {
		f.Close()
	}
	if !replaced && useless != "" {
		_ = d.dir.Remove(useless + lockSuffix)
	}
	return replaced, err
}

// Save implements [shared.Store].
func (s *Store) Save(ctx context.Context, key, owner string, v shared.Value) (bool, error) {
	if len(v.Sealed) > maxSealed {
		return false, fmt.Errorf("dirstore: the value has %d bytes, and %d is the limit", len(v.Sealed), maxSealed)
	}
	v.Sealed = append([]byte(nil), v.Sealed...)
	return s.update(ctx, key, func(r record, now time.Time) (record, bool) {
		if v.Generation == 0 || v.Generation != r.Generation {
			return r, false
		}
		r.Generation++
		r.value = value{v.Sealed, now.UnixNano(), max(v.Left, 0)}
		if string(r.Owner) == owner {
			r.lease = lease{}
		}
		return r, true
	})
}

// Revoke implements [shared.Store].
func (s *Store) Revoke(ctx context.Context, key string, generation uint64) error {
	_, err := s.update(ctx, key, func(r record, now time.Time) (record, bool) {
		if r.Generation != generation || r.value.left(now) == 0 {
			return r, false
		}
		r.Generation++
		r.value = value{}
		return r, true
	})
	return err
}

// update changes a key that exists, if next reports that it is to be changed.
func (s *Store) update(ctx context.Context, key string, next func(record, time.Time) (record, bool)) (replaced bool, err error) {
	return operate(ctx, s, key, func() (replaced bool, err error) {
		root, err := s.open(false)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		defer root.Close()
		err = change(ctx, root, key, func(d *keyDir) (done bool, err error) {
			r, ok := next(d.record, system.Now(s.Clock))
			if !ok {
				return true, nil
			}
			replaced, err = s.replace(ctx, d, r)
			return replaced, err
		})
		return replaced, err
	})
}

// slots is the number of operations of a Store at a time, those included that outlive their context because a disk hangs.
const slots = 32

// operate runs an operation, and returns when it ends or ctx does.
func operate[T any](ctx context.Context, s *Store, key string, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if len(key) != keySize || !isHex(key) {
		return none, fmt.Errorf("dirstore: %.80q is not a valid key: use %d hexadecimal digits in lower case", key, keySize)
	}
	if ctx.Err() != nil { // select could choose the slot
		return none, ended(ctx, s)
	}
	s.once.Do(func() { s.slots = make(chan struct{}, slots) })
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return none, ended(ctx, s)
	}
	results := make(chan result, 1)
	go func() {
		defer func() { <-s.slots }()
		v, err := do()
		results <- result{v, err}
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
		return none, ended(ctx, s)
	}
}

func ended(ctx context.Context, s *Store) error {
	return fmt.Errorf("dirstore: the operation in %s did not end in time: %w", s.Dir, system.ContextErr(ctx))
}
