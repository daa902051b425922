package tokenfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/stschain-go/stschain/internal/system"
)

// Locked is a file that no other process rewrites, as long as it uses this package.
type Locked struct {
	KeepMode bool // Write keeps the mode and the group of the file, where the system has them

	path    string
	release func() error
}

const suffix = ".lock"

// Lock waits for the lock of a file. The lock is a separate file, path with
// ".lock" appended, which is not removed. The system releases the lock of a
// process that ends.
//
// The error wraps ctx's if the wait was too long. Any other means that the file cannot be locked: its
// folder is read-only, or the file system has no locks.
func Lock(ctx context.Context, path string) (*Locked, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // keep a symbolic link
	}
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		release, err := tryLock(path + suffix)
		switch {
		case err == nil:
			return &Locked{path: path, release: release}, nil
		case !errors.Is(err, system.ErrLocked):
			return nil, system.WithoutPath(err)
		}
		if err := system.Sleep(ctx, pause); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", system.ErrLocked, path+suffix, err)
		}
	}
}

// Release releases the lock.
func (l *Locked) Release() error { return l.release() }

// Write replaces the content of the file. Without KeepMode only its owner can read it then: this user, or
// for root the owner of the old file. Readers see the old document or the new one, even if this process is killed.
func (l *Locked) Write(d Document) error {
	temp := l.path + ".tmp"
	os.Remove(temp) // of a process that was killed; only the owner of the lock writes
	err := l.writeFile(temp, d.encode())
	if err == nil {
		err = os.Rename(temp, l.path)
	}
	if err != nil {
		os.Remove(temp)
	}
	return system.WithoutPath(err)
}

// writeFile writes a new file for the owner of the old one.
func (l *Locked) writeFile(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	copyOwner(f, l.path)
	if l.KeepMode {
		copyMode(f, l.path)
	}
	_, err = f.Write(content)
	return cmp.Or(err, f.Sync(), f.Close())
}
