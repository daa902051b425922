package dirstore

import (
	"context"
	"os"
)

// SetNetwork replaces the function that returns the kind of a network file system.
func (s *Store) SetNetwork(isNetwork func(dir *os.File) (kind string, err error)) {
	s.isNetwork = isNetwork
}

// Locks returns the number of locks that this Store has.
func (s *Store) Locks() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.locks)
}

// Reencode parses a file, and writes it again.
func Reencode(content []byte) ([]byte, error) {
	r, err := parse(content)
	return r.encode(), err
}

// Stop returns what replaces the value of a key as a process does that was stopped after it read the key.
func (s *Store) Stop(ctx context.Context, key string) (resume func(sealed string) (replaced bool, err error), err error) {
	root, err := s.open(false)
	if err != nil {
		return nil, err
	}
	d, err := openKey(ctx, root, key)
	if err != nil {
		root.Close()
		return nil, err
	}
	next := d.record
	return func(sealed string) (bool, error) {
		defer root.Close()
		defer d.close()
		next.Sealed = []byte(sealed)
		return s.replace(ctx, d, next)
	}, nil
}
