package system

import (
	"errors"
	"os"
)

// ErrLocked is the error of [TryLock] if another open file has a lock that excludes this one.
var ErrLocked = errors.New("another process has the lock")

// TryLock locks an open file without waiting. An exclusive lock excludes all others, a shared one the exclusive ones.
// The system releases the lock when f is closed or the process ends. Locks are advisory, except on Windows.
func TryLock(f *os.File, shared bool) error { return tryLock(f, shared) }
