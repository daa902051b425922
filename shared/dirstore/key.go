package dirstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain/internal/system"
)

// The directory of a key has these files. Each name is used once.
//
//	ID          a record. It is complete before ID.current exists
//	ID.current  names the record that is current: exactly one at any time. Renaming it is what changes a key
//	ID.lock     is locked by the process that has the lease
//
// The directory is made as TEMP-ID, with both files, and renamed.
const (
	currentSuffix = ".current"
	lockSuffix    = ".lock"
	tempPrefix    = "new-"

	keySize = 64
	idSize  = 16 // bytes

	maxNames = 10_000 // that are read of a key's directory
)

// keyDir is the directory of a key, and what it had when it was opened.
type keyDir struct {
	record // zero if the key does not exist, or its file is damaged

	root    *os.Root
	key     string
	dir     *os.Root // nil: it does not exist
	current string   // the ID of the record
	names   []string
}

func newID() string {
	id := make([]byte, idSize)
	_, _ = rand.Read(id) // it never fails
	return hex.EncodeToString(id)
}

func (d *keyDir) close() {
	if d.dir != nil {
		d.dir.Close()
	}
}

// Reading again helps while another process replaces or removes the key, and where a directory that changes may be
// listed without a name that it has.
const (
	attempts     = 20
	attemptPause = 2 * time.Millisecond
)

// openKey opens the directory of a key. A damaged one is removed.
func openKey(ctx context.Context, root *os.Root, key string) (*keyDir, error) {
	for n := 1; ; n++ {
		d := &keyDir{root: root, key: key}
		again, err := d.read()
		if err == nil && !again {
			return d, nil
		}
		if err == nil && n == attempts {
			if d.current != "" { // the file does not exist or is invalid: it may be replaced
				return d, nil
			}
			d.remove()
		}
		d.close()
		if err != nil {
			return nil, failed(root, "read", err)
		}
		if n > 2*attempts {
			return nil, failed(root, "read", fmt.Errorf("%s is damaged and cannot be removed", key))
		}
		if err := system.Sleep(ctx, attemptPause); err != nil {
			return nil, failed(root, "read", err)
		}
	}
}

// read lists the directory, and reads the current record. again is true if it makes no sense.
func (d *keyDir) read() (again bool, err error) {
	d.dir, err = d.root.OpenRoot(d.key)
	if errors.Is(err, fs.ErrNotExist) {
		d.dir = nil
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if d.names, err = list(d.dir, maxNames); err != nil {
		return errors.Is(err, fs.ErrNotExist), ignoreMissing(err)
	}
	for _, name := range d.names {
		if id, ok := strings.CutSuffix(name, currentSuffix); ok && isID(id) {
			if d.current != "" {
				d.current = ""
				return true, nil
			}
			d.current = id
		}
	}
	if d.current == "" {
		return true, nil
	}
	content, _, err := system.ReadFile(d.openFile, d.current, maxFile)
	if err != nil {
		_, tooLarge := errors.AsType[*system.TooLargeError](err)
		return true, ignoreMissing(unless(tooLarge, err))
	}
	if d.record, err = parse(content); err != nil {
		return true, nil
	}
	return false, nil
}

func unless(condition bool, err error) error {
	if condition {
		return nil
	}
	return err
}

func ignoreMissing(err error) error { return unless(errors.Is(err, fs.ErrNotExist), err) }

func (d *keyDir) openFile(name string) (fs.File, error) {
	f, err := d.dir.OpenFile(name, os.O_RDONLY|system.NonBlock, 0)
	if err != nil {
		return nil, err // not f: a nil *os.File is not a nil fs.File
	}
	return f, nil
}

// list returns at most limit names of a directory.
func list(root *os.Root, limit int) ([]string, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(limit)
	if err == io.EOF {
		err = nil
	}
	return names, err
}

// replace makes next the record, and reports whether it did: not if another process changed the key since d was opened.
func (d *keyDir) replace(ctx context.Context, next record) (replaced bool, err error) {
	if ctx.Err() != nil {
		return false, failed(d.root, "write to", system.ContextErr(ctx))
	}
	id := newID()
	if d.dir == nil {
		return d.create(id, next)
	}
	if err := writeFile(d.dir, id, next.encode()); err != nil {
		_ = d.dir.Remove(id)
		if errors.Is(err, fs.ErrNotExist) { // the directory was removed
			return false, nil
		}
		return false, failed(d.root, "write to", err)
	}
	if ctx.Err() != nil { // it may have been stopped for a long time
		_ = d.dir.Remove(id)
		return false, failed(d.root, "write to", system.ContextErr(ctx))
	}
	err = rename(d.dir, d.current+currentSuffix, id+currentSuffix)
	if err != nil {
		_ = d.dir.Remove(id)
		return false, failed(d.root, "write to", ignoreMissing(err))
	}
	d.clean(next.Lock)
	return true, nil
}

// clean removes all files that were listed, but the lock of the lease. They are the record that was replaced, and those of
// processes that were killed or that will find that the key has changed.
func (d *keyDir) clean(lock string) {
	for _, name := range d.names {
		id := strings.TrimSuffix(strings.TrimSuffix(name, lockSuffix), currentSuffix)
		if isID(id) && (id != lock || lock == "") {
			_ = d.dir.Remove(name) // the next change removes it otherwise
		}
	}
}

// create makes the directory of the key.
func (d *keyDir) create(id string, r record) (created bool, err error) {
	temp := tempPrefix + id
	defer func() {
		if !created {
			_ = d.root.RemoveAll(temp)
		}
	}()
	if err := cmp.Or(
		d.root.Mkdir(temp, 0o700),
		writeFile(d.root, filepath.Join(temp, id), r.encode()),
		writeFile(d.root, filepath.Join(temp, id+currentSuffix), nil)); err != nil {
		return false, failed(d.root, "write to", err)
	}
	err = rename(d.root, temp, d.key)
	if _, statErr := d.root.Lstat(d.key); err != nil && statErr == nil {
		return false, nil // another process created it
	}
	return err == nil, failed(d.root, "write to", err)
}

// lock makes and locks a file.
func (d *keyDir) lock() (id string, f *os.File, err error) {
	id = newID()
	f, err = d.dir.OpenFile(id+lockSuffix, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", nil, failed(d.root, "write to", err)
	}
	if err = system.TryLock(f, false); err != nil {
		f.Close()
		_ = d.dir.Remove(id + lockSuffix)
		return "", nil, failed(d.root, "lock a file in", err)
	}
	return id, f, nil
}

// isLocked reports whether the process that has the lease may still run.
func (d *keyDir) isLocked(id string) bool {
	f, err := d.dir.OpenFile(id+lockSuffix, os.O_RDONLY|system.NonBlock, 0)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	return system.TryLock(f, true) != nil
}

// remove removes the directory. First it removes the pointers, so that no other process succeeds in changing the key,
// and only what was listed, so that a new directory of this name stays.
func (d *keyDir) remove() {
	if d.dir == nil {
		return
	}
	slices.SortFunc(d.names, func(a, b string) int {
		first := func(name string) bool { return strings.HasSuffix(name, currentSuffix) }
		switch {
		case first(a) == first(b):
			return 0
		case first(a):
			return -1
		}
		return 1
	})
	for _, name := range d.names {
		if err := d.dir.Remove(name); err != nil && strings.HasSuffix(name, currentSuffix) {
			return // it was changed
		}
	}
	_ = d.root.Remove(d.key) // fails if it is not empty
}

// touch records that the key is in use, to a day.
func (d *keyDir) touch() {
	if d.dir == nil {
		return
	}
	now := time.Now() // the clock of the file system
	if info, err := d.dir.Stat("."); err == nil && now.Sub(info.ModTime()) > touchInterval {
		_ = d.root.Chtimes(d.key, now, now)
	}
}

// change opens the key and calls do until it has done what it wants to, because other processes change the key.
func change(ctx context.Context, root *os.Root, key string, do func(*keyDir) (done bool, err error)) error {
	for n := time.Duration(1); ; n++ {
		d, err := openKey(ctx, root, key)
		if err != nil {
			return err
		}
		done, err := do(d)
		d.close()
		if done || err != nil {
			return err
		}
		if err := system.Sleep(ctx, mathrand.N(min(n, 20)*time.Millisecond)); err != nil {
			return failed(root, "write to", err)
		}
	}
}

func writeFile(root *os.Root, name string, content []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return cmp.Or(err, f.Sync(), f.Close())
}

// rename renames a file, on Windows again while other processes have it open.
func rename(root *os.Root, from, to string) (err error) {
	for range 10 {
		if err = root.Rename(from, to); err == nil || !isBusy(err) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

func failed(root *os.Root, what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("dirstore: cannot %s %s: %w", what, root.Name(), system.WithoutPath(err))
}
