package tokenfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Locked is a file that no other process rewrites, as long as it uses this package.
type Locked struct {
	path    string
	release func() error
}

const suffix = ".lock"

// errHeld is that somebody else has the lock.
var errHeld = errors.New("another process holds the lock")

// Lock waits for the lock of a file, which is a file of its own beside it: path with
// ".lock" at its end, which stays. The system takes the lock from a process that dies.
//
// The error wraps ctx's if the lock was held too long. Any other says that it cannot be had
// here at all: the folder is read-only, say, or the file system knows no locks.
func Lock(ctx context.Context, path string) (*Locked, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // a link stays one
	}
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		release, err := tryLock(path + suffix)
		switch {
		case err == nil:
			return &Locked{path, release}, nil
		case !errors.Is(err, errHeld):
			return nil, withoutPath(err)
		}
		if err := wait(ctx, pause); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errHeld, path+suffix, err)
		}
	}
}

// Release gives the lock back.
func (l *Locked) Release() error { return l.release() }

// Write puts a document into the file, which only its owner may read then: this user, or for
// root whose it was. Whoever reads the file meanwhile, and whoever finds it after this process was killed, has the old document
// or the new one.
func (l *Locked) Write(d Document) (err error) {
	beside := l.path + ".tmp"
	os.Remove(beside) // of one who was killed; nobody else writes now
	f, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return withoutPath(err)
	}
	giveAway(f, l.path)
	_, err = f.Write(d.encode())
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(beside, l.path)
	}
	if err != nil {
		os.Remove(beside)
		return withoutPath(err)
	}
	return nil
}
