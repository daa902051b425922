package dirstore

import "os"

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
