package dirstore_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/dirstore"
)

var (
	one = strings.Repeat("1", 64)
	two = strings.Repeat("2", 64)
)

// put saves a value for an hour, and returns its generation.
func put(t *testing.T, s *dirstore.Store, key, sealed string) uint64 {
	t.Helper()
	_, err := s.Lease(t.Context(), key, "put", false, time.Minute)
	require.NoError(t, err)
	v, _ := s.Load(t.Context(), key)
	kept, err := s.Save(t.Context(), key, "put", shared.Value{Sealed: []byte(sealed), Left: time.Hour, Generation: v.Generation})
	require.NoError(t, err)
	require.True(t, kept)
	return v.Generation + 1
}

func requireValue(t *testing.T, s *dirstore.Store, key, sealed string) {
	t.Helper()
	v, err := s.Load(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, sealed, string(v.Sealed))
}

// requireErrors fails unless each operation returns an error with this text.
func requireErrors(t *testing.T, s *dirstore.Store, key, text string) {
	t.Helper()
	_, err := s.Load(t.Context(), key)
	require.ErrorContains(t, err, text)
	_, err = s.Lease(t.Context(), key, "a", false, time.Minute)
	require.ErrorContains(t, err, text)
	_, err = s.Save(t.Context(), key, "a", shared.Value{Sealed: []byte("value"), Left: time.Minute, Generation: 1})
	require.ErrorContains(t, err, text)
	require.ErrorContains(t, s.Revoke(t.Context(), key, 1), text)
	require.True(t, strings.HasPrefix(err.Error(), "dirstore: "), err)
}

func requireMode(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, mode, info.Mode().Perm(), path)
	}
}

func TestDirectoryIsMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "some", "dir")
	s := &dirstore.Store{Dir: dir}
	_, err := s.Load(t.Context(), one)
	require.Equal(t, shared.ErrMissing, err)
	require.NoError(t, s.Revoke(t.Context(), one, 1))
	require.NoDirExists(t, dir, "reading makes none")
	put(t, s, one, "value")
	_, err = s.Lease(t.Context(), one, "a", false, time.Hour)
	require.NoError(t, err)
	requireMode(t, dir, 0o700)
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if e.IsDir() {
			requireMode(t, path, 0o700)
		} else {
			requireMode(t, path, 0o600)
		}
		return err
	}))
}

func TestDirectoryIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(dir string) error
		want    string
	}{
		"a link": {func(dir string) error {
			return errors.Join(os.Mkdir(dir+".real", 0o700), os.Symlink(dir+".real", dir))
		}, "it is a symbolic link"},
		"a link to nothing": {func(dir string) error { return os.Symlink(dir+".none", dir) }, "it is a symbolic link"},
		"a file":            {func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, "it is not a directory"},
		"world-writable":    {func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)) }, "other users can write to it (mode 0777): chmod 700"},
		"group-writable":    {func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o770)) }, "other users can write to it (mode 0770)"},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && name != "a file" {
				t.Skip("links need a privilege there, and modes are no permissions")
			}
			dir := filepath.Join(t.TempDir(), "store")
			require.NoError(t, test.prepare(dir))
			requireErrors(t, &dirstore.Store{Dir: dir, AllowNetwork: true}, one, "dirstore: cannot use "+dir+": "+test.want)
		})
	}
	requireErrors(t, &dirstore.Store{}, one, "dirstore: Dir is required")
	requireErrors(t, &dirstore.Store{Dir: t.TempDir()}, "../"+one[3:], "is not a valid key: use 64 hexadecimal digits in lower case")
	requireErrors(t, &dirstore.Store{Dir: t.TempDir()}, strings.Repeat("A", 64), "is not a valid key")
}

func TestLimits(t *testing.T) {
	s := &dirstore.Store{Dir: t.TempDir()}
	for _, owner := range []string{"", strings.Repeat("a", 1025)} {
		_, err := s.Lease(t.Context(), one, owner, false, time.Hour)
		require.ErrorContains(t, err, "bytes: use 1 to 1024")
	}
	for _, owner := range []string{strings.Repeat("a", 1024), "\xff\n"} {
		lease, err := s.Lease(t.Context(), one, owner, true, time.Hour)
		require.NoError(t, err)
		require.Equal(t, owner, lease.Owner)
		_, err = s.Lease(t.Context(), one, owner, true, 0)
		require.NoError(t, err)
	}
	_, err := s.Save(t.Context(), one, "a", shared.Value{Sealed: make([]byte, 64<<10+1), Left: time.Hour, Generation: 1})
	require.EqualError(t, err, "dirstore: the value has 65537 bytes, and 65536 is the limit")
}

func TestNetwork(t *testing.T) {
	dir := t.TempDir()
	s := &dirstore.Store{Dir: dir}
	s.SetNetwork(func(f *os.File) (string, error) {
		require.Equal(t, filepath.Clean(dir), filepath.Clean(f.Name()))
		return "nfs", nil
	})
	requireErrors(t, s, one, "cannot use "+dir+": it may be shared with other machines (nfs), where locks do not work: use a local directory, or set AllowNetwork")
	s = &dirstore.Store{Dir: dir, AllowNetwork: true}
	s.SetNetwork(func(*os.File) (string, error) { return "nfs", nil })
	put(t, s, one, "value")
	s = &dirstore.Store{Dir: dir}
	s.SetNetwork(func(*os.File) (string, error) { return "", errors.New("statfs: failed") })
	requireErrors(t, s, one, "statfs: failed")
}

func TestDirectoryIsRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := &dirstore.Store{Dir: dir}
	before := put(t, s, one, "before")
	_, err := s.Lease(t.Context(), one, "a", false, time.Hour)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(dir))

	v, err := s.Load(t.Context(), one)
	require.Equal(t, shared.ErrMissing, err)
	require.Zero(t, v)
	kept, err := s.Save(t.Context(), one, "a", shared.Value{Sealed: []byte("late"), Left: time.Hour, Generation: before})
	require.NoError(t, err)
	require.False(t, kept)
	require.NotEqual(t, before, put(t, s, one, "after"))
	requireValue(t, s, one, "after")
}

// The clock of the machine is set: nothing lasts longer than the time that it was made for.
func TestClockIsSet(t *testing.T) {
	for name, test := range map[string]struct {
		by       time.Duration
		isFree   bool          // the lease, which lasts for a minute
		left     time.Duration // of the value, which lasts for an hour
		hasValue bool
	}{
		"back":            {-time.Minute, true, 0, false},
		"back by a year":  {-365 * 24 * time.Hour, true, 0, false},
		"not":             {0, false, time.Hour, true},
		"forward":         {30 * time.Second, false, time.Hour - 30*time.Second, true},
		"beyond the ttl":  {time.Minute, true, time.Hour - time.Minute, true},
		"beyond the life": {time.Hour, true, 0, false},
		"by a century":    {100 * 365 * 24 * time.Hour, true, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			mock := clock.NewMock()
			mock.Set(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC))
			s := &dirstore.Store{Dir: t.TempDir(), Clock: mock}
			generation := put(t, s, one, "value")
			_, err := s.Lease(t.Context(), one, "a", true, time.Minute)
			require.NoError(t, err)
			mock.Set(mock.Now().Add(test.by))
			v, err := s.Load(t.Context(), one)
			require.Equal(t, test.hasValue, err == nil)
			require.Equal(t, test.left, v.Left)
			require.Equal(t, generation, v.Generation)
			lease, err := s.Lease(t.Context(), one, "b", false, time.Minute)
			require.NoError(t, err)
			require.Equal(t, test.isFree, lease.Owner == "b")
			require.LessOrEqual(t, lease.Left, time.Minute)
		})
	}
}

// Locks of leases that were freed, saved, paused, lost or forgotten are closed.
func TestLocks(t *testing.T) {
	mock := clock.NewMock()
	mock.Set(time.Now())
	dir := t.TempDir()
	s, other := &dirstore.Store{Dir: dir, Clock: mock}, &dirstore.Store{Dir: dir, Clock: mock}
	lease := func(s *dirstore.Store, key, owner string, pause bool, ttl time.Duration) {
		t.Helper()
		_, err := s.Lease(t.Context(), key, owner, pause, ttl)
		require.NoError(t, err)
	}
	for range 3 {
		lease(s, one, "a", false, time.Minute)
		require.Equal(t, 1, s.Locks())
	}
	lease(s, one, "a", false, 0)
	require.Equal(t, 0, s.Locks())

	put(t, s, one, "value")
	require.Equal(t, 0, s.Locks())

	lease(s, one, "a", false, time.Minute)
	lease(s, one, "a", true, time.Minute)
	require.Equal(t, 0, s.Locks())
	lease(s, one, "a", false, time.Minute)
	require.Equal(t, 1, s.Locks())
	lease(other, one, "b", false, time.Minute)
	require.Equal(t, 0, other.Locks())
	lease(other, one, "a", false, time.Minute) // the same owner by another Store
	require.Equal(t, 1, other.Locks())

	mock.Add(time.Minute)
	lease(s, two, "c", false, time.Minute)
	require.Equal(t, 1, s.Locks(), "that of the lease that lapsed is closed")
	files, err := os.ReadDir(filepath.Join(dir, one))
	require.NoError(t, err)
	require.Len(t, files, 3)
}

// A lease ends with the Store that has it, but not one for a pause.
func TestLeaseOfLostLock(t *testing.T) {
	dir := t.TempDir()
	s := &dirstore.Store{Dir: dir}
	_, err := s.Lease(t.Context(), one, "a", false, time.Hour)
	require.NoError(t, err)
	locks, err := filepath.Glob(filepath.Join(dir, one, "*.lock"))
	require.NoError(t, err)
	require.Len(t, locks, 1)
	if err := os.Remove(locks[0]); err != nil {
		t.Skip("an open file cannot be removed here:", err)
	}
	lease, err := s.Lease(t.Context(), one, "b", false, time.Hour)
	require.NoError(t, err)
	require.Equal(t, "b", lease.Owner)
}

// Whatever happens to the files, the key is as if it had never existed, and can be used again.
func TestDamage(t *testing.T) {
	glob := func(t *testing.T, dir, pattern string) string {
		found, err := filepath.Glob(filepath.Join(dir, one, pattern))
		require.NoError(t, err)
		require.Len(t, found, 1)
		return found[0]
	}
	record := strings.Repeat("[0-9a-f]", 32)
	for name, damage := range map[string]func(t *testing.T, dir string) error{
		"truncated": func(t *testing.T, dir string) error { return os.Truncate(glob(t, dir, record), 100) },
		"empty":     func(t *testing.T, dir string) error { return os.Truncate(glob(t, dir, record), 0) },
		"too large": func(t *testing.T, dir string) error { return os.Truncate(glob(t, dir, record), 1<<20) },
		"a bit": func(t *testing.T, dir string) error {
			path := glob(t, dir, record)
			content, err := os.ReadFile(path)
			content[len(content)/2] ^= 1
			return errors.Join(err, os.WriteFile(path, content, 0o600))
		},
		"no record":  func(t *testing.T, dir string) error { return os.Remove(glob(t, dir, record)) },
		"no pointer": func(t *testing.T, dir string) error { return os.Remove(glob(t, dir, "*.current")) },
		"two pointers": func(t *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, one, strings.Repeat("0", 32)+".current"), nil, 0o600)
		},
		"no files": func(t *testing.T, dir string) error {
			return errors.Join(os.RemoveAll(filepath.Join(dir, one)), os.Mkdir(filepath.Join(dir, one), 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := &dirstore.Store{Dir: dir}
			before := put(t, s, one, "value")
			require.NoError(t, damage(t, dir))
			v, err := s.Load(t.Context(), one)
			require.Equal(t, shared.ErrMissing, err)
			require.Zero(t, v)
			kept, err := s.Save(t.Context(), one, "a", shared.Value{Sealed: []byte("late"), Left: time.Hour, Generation: before})
			require.NoError(t, err)
			require.False(t, kept)
			require.NoError(t, s.Revoke(t.Context(), one, before))
			require.NotEqual(t, before, put(t, s, one, "new"))
			requireValue(t, s, one, "new")
			files, err := os.ReadDir(filepath.Join(dir, one))
			require.NoError(t, err)
			require.Len(t, files, 2)
		})
	}
}

// Once an hour, keys that were not used for a week are removed, and nothing else.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	old := func(name string, age time.Duration) {
		at := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(filepath.Join(dir, name), at, at))
	}
	const day = 24 * time.Hour
	keys := map[string]bool{} // whether they stay
	for digit, age := range map[string]time.Duration{"1": 8 * day, "2": 6 * day, "3": 0, "4": -8 * day, "5": 8 * day} {
		key := strings.Repeat(digit, 64)
		put(t, &dirstore.Store{Dir: dir}, key, "value")
		old(key, age)
		keys[key] = age < 7*day
	}
	used := strings.Repeat("5", 64)
	requireValue(t, &dirstore.Store{Dir: dir}, used, "value") // reading uses it
	keys[used] = true
	for name, stays := range map[string]bool{"new-" + one[:32]: false, "new-" + two[:32]: true, "new-other": true, "another program's": true, "2" + one: true} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name, "sub"), 0o700))
		keys[name] = stays
		if name != "new-"+two[:32] {
			old(name, 8*day)
		}
	}
	sweep := func() {
		_, err := (&dirstore.Store{Dir: dir}).Lease(t.Context(), strings.Repeat("3", 64), "a", false, 0)
		require.NoError(t, err)
	}
	sweep()
	for name := range keys {
		require.DirExists(t, filepath.Join(dir, name), "it was swept less than an hour ago")
	}
	old("swept", time.Hour)
	sweep()
	for name, stays := range keys {
		_, err := os.Stat(filepath.Join(dir, name))
		require.Equal(t, stays, err == nil, name)
	}
	info, err := os.Stat(filepath.Join(dir, "swept"))
	require.NoError(t, err)
	require.Less(t, time.Since(info.ModTime()), time.Hour)
}

// An operation that hangs does not hold its caller, and not more than some hang.
func TestHang(t *testing.T) {
	s := &dirstore.Store{Dir: t.TempDir()}
	end := make(chan struct{})
	defer close(end)
	s.SetNetwork(func(*os.File) (string, error) { <-end; return "", nil })
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err := s.Load(ctx, one)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "dirstore: the operation in "+s.Dir+" did not end in time")
	}
	require.Less(t, runtime.NumGoroutine(), 50)
}
