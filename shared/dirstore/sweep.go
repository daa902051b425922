package dirstore

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

const (
	marker        = "swept" // its time is when the directory was swept last
	sweepInterval = time.Hour
	touchInterval = 24 * time.Hour
	unused        = 7 * 24 * time.Hour

	maxSwept   = 100_000 // names that a sweep reads
	maxLooked  = 1_000   // names of them, at random, that it looks at
	maxRemoved = 50      // directories that it removes
)

// sweep removes what was not used for a week, once an hour. It does not matter what it misses.
func (s *Store) sweep(root *os.Root) {
	now := time.Now() // the clock of the file system
	s.mu.Lock()
	due := now.Sub(s.swept) >= sweepInterval
	if due {
		s.swept = now
	}
	s.mu.Unlock()
	if !due {
		return
	}
	info, err := root.Lstat(marker)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f, err := root.OpenFile(marker, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return
		}
		f.Close()
	case err != nil || now.Sub(info.ModTime()).Abs() < sweepInterval:
		return
	default:
		if root.Chtimes(marker, now, now) != nil {
			return
		}
	}
	names, err := list(root, maxSwept)
	if err != nil {
		return
	}
	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	removed := 0
	for _, name := range names[:min(len(names), maxLooked)] {
		id, isTemp := strings.CutPrefix(name, tempPrefix)
		isKey := len(name) == keySize && isHex(name)
		if !isKey && !(isTemp && isID(id)) { // of another program or version
			continue
		}
		if info, err := root.Lstat(name); err != nil || now.Sub(info.ModTime()) < unused {
			continue
		}
		if removed++; removed > maxRemoved {
			return
		}
		if isTemp {
			_ = root.RemoveAll(name)
			continue
		}
		d := &keyDir{root: root, key: name}
		_, _ = d.read()
		d.remove()
		d.close()
	}
}
