package tokenfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/stschain-go/stschain"
)

// Store is what one provider knows of its file, which may be more than the file could be made
// to say. The zero Store knows nothing.
type Store struct {
	turn Turn

	mu      sync.Mutex
	unsaved Content // what the file should say, as long as it says what it said then
}

// Content is what a file says, or should say.
type Content struct {
	Document
	onDisk Document
}

// With returns a copy that says d instead.
func (c Content) With(d Document) Content { return Content{d, c.onDisk} }

// Load reads the file; see [Read].
func (s *Store) Load(ctx context.Context, path string, open func(path string) (fs.File, error)) (Content, error) {
	onDisk, err := Read(ctx, path, open)
	if err != nil {
		return Content{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.unsaved.IsZero() && s.unsaved.onDisk.Equal(onDisk) {
		return s.unsaved, nil
	}
	return Content{onDisk, onDisk}, nil
}

// Holding is the right to refresh what a file says, which one caller has at a time.
type Holding struct {
	store *Store
	path  string
	open  func(path string) (fs.File, error)
	lock  *Locked // nil: there is none to be had, and the file is not written either
	yield func()
}

// Hold waits until no other caller of this program and no other process refreshes the file.
// Where it cannot be locked, or open is set, it keeps from other callers only. The error
// wraps ctx's.
func (s *Store) Hold(ctx context.Context, path string, open func(path string) (fs.File, error)) (*Holding, error) {
	yield, err := s.turn.Take(ctx)
	if err != nil {
		return nil, err
	}
	h := &Holding{store: s, path: path, open: open, yield: yield}
	if open != nil {
		return h, nil
	}
	h.lock, err = Lock(ctx, path)
	if err != nil && ctx.Err() != nil {
		yield()
		return nil, err
	}
	return h, nil
}

// Release lets the next one go on.
func (h *Holding) Release() {
	if h.lock != nil {
		h.lock.Release()
	}
	h.yield()
}

// Changed reports whether the file is gone, or another one than it was: who takes no lock may
// have redeemed the same refresh token first, or somebody has signed in again, or out.
func (h *Holding) Changed(ctx context.Context, was Content) bool {
	now, err := Read(ctx, h.path, h.open)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !now.Equal(was.onDisk)
}

// Keep puts a content where the next Load finds it: in the file, or in memory if that cannot be
// written. What somebody else put into the file meanwhile is newer, and stays.
func (h *Holding) Keep(ctx context.Context, c Content) {
	if h.Changed(ctx, c) {
		return
	}
	var unsaved Content
	if h.lock == nil || h.lock.Write(c.Document) != nil {
		unsaved = c
	}
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	h.store.unsaved = unsaved
}

// Refused adds to a refusal what else may be behind it where the file cannot be written.
func (h *Holding) Refused(refusal error) error {
	if h.lock != nil || !errors.Is(refusal, stschain.ErrPermanent) {
		return refusal
	}
	return fmt.Errorf("%w; or a program used the refresh token up and could not replace it in %s, as this one cannot", refusal, h.path)
}
