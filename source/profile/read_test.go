package profile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
)

const keysAB = "[default]\naws_access_key_id = AKIDA\naws_secret_access_key = SECRETB\n"

// home is a provider over a home directory of its own, with the credentials file in it.
func home(t *testing.T, credentials string) (p *profile.Provider, path string) {
	dir := t.TempDir()
	path = filepath.Join(dir, ".aws", "credentials")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	if credentials != "" {
		put(t, path, credentials)
	}
	return &profile.Provider{LookupEnv: env{"HOME": dir}.lookup, Clock: later{}}, path
}

// put writes a file in place.
func put(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// later is a clock by which files are not new.
type later struct{}

func (later) Now() time.Time { return time.Now().Add(time.Hour) }

func TestBadFiles(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, path string)
		want string // "": it is Unavailable
	}{
		{"missing", func(*testing.T, string) {}, ""},
		{"empty", func(t *testing.T, path string) { put(t, path, "") }, ""},
		{"nothing but comments", func(t *testing.T, path string) { put(t, path, "# none\n\n") }, ""},
		{"a directory", func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, ""},
		{"100 MiB", func(t *testing.T, path string) {
			put(t, path, keysAB)
			require.NoError(t, os.Truncate(path, 100<<20))
		}, "exceeds 4194304 bytes"},
		{"no text", func(t *testing.T, path string) { put(t, path, "\x7fELF\x02\x00") }, "not UTF-8 text"},
		{"a NUL byte", func(t *testing.T, path string) { put(t, path, keysAB+"a = \x00\n") }, ":4: [profile default] the line is not UTF-8 text"},
		{"a profile cut off", func(t *testing.T, path string) { put(t, path, keysAB[:20]) }, ":2: [profile default] expected an '=' sign"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, path := home(t, "")
			tt.make(t, path)
			_, err := p.Retrieve(t.Context())
			if tt.want == "" {
				require.True(t, stschain.IsUnavailable(err), "%v", err)
				return
			}
			require.ErrorContains(t, err, path)
			require.ErrorContains(t, err, tt.want)
			require.False(t, stschain.IsUnavailable(err), "%v", err)
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.NotContains(t, err.Error(), "SECRETB")
		})
	}
}

// Where there can be no files, there are none.
func TestNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	put(t, file, "")
	for name, e := range map[string]env{
		"no home":                   {},
		"a home that is a file":     {"HOME": file},
		"a home that is not there":  {"HOME": "/nonexistent"},
		"the device that has never": {"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "HOME": "/nonexistent"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&profile.Provider{LookupEnv: e.lookup}).Retrieve(t.Context())
			require.True(t, stschain.IsUnavailable(err), "%v", err)
		})
	}
}

// Reports: minio-go#1487.
func TestChangesAreNoticed(t *testing.T) {
	p, path := home(t, keysAB)
	retrieve := func() string {
		creds, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		return creds.AccessKeyID
	}
	require.Equal(t, "AKIDA", retrieve())

	put(t, path, strings.Replace(keysAB, "AKIDA", "AKIDC", 1)) // in place, of the same size
	require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(time.Second)))
	require.Equal(t, "AKIDC", retrieve())

	info, err := os.Stat(path)
	require.NoError(t, err)
	other := filepath.Join(filepath.Dir(path), "new") // replaced, with the same size and date
	put(t, other, strings.Replace(keysAB, "AKIDA", "AKIDD", 1))
	require.NoError(t, os.Chtimes(other, time.Time{}, info.ModTime()))
	require.NoError(t, os.Rename(other, path))
	require.Equal(t, "AKIDD", retrieve())

	require.NoError(t, os.Remove(path))
	_, err = p.Retrieve(t.Context())
	require.True(t, stschain.IsUnavailable(err), "%v", err)

	put(t, path, keysAB)
	require.Equal(t, "AKIDA", retrieve())
}

// A change within the grain of the file system's dates does not show in them. So
// what was written just before it was read is not relied on.
func TestChangeThatShowsNowhere(t *testing.T) {
	p, path := home(t, keysAB)
	p.Clock = nil
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIDA", creds.AccessKeyID)
	info, err := os.Stat(path)
	require.NoError(t, err)

	put(t, path, strings.Replace(keysAB, "AKIDA", "AKIDC", 1))
	require.NoError(t, os.Chtimes(path, time.Time{}, info.ModTime()))
	creds, err = p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIDC", creds.AccessKeyID)
}

// counted counts how often a file is read from its beginning.
type counted struct {
	fs.File
	reads *int
	began bool
}

func (c *counted) Read(b []byte) (int, error) {
	if !c.began {
		*c.reads++
		c.began = true
	}
	return c.File.Read(b)
}

func TestUnchangedFilesAreNotReadAgain(t *testing.T) {
	_, path := home(t, keysAB)
	reads := 0
	p := &profile.Provider{
		LookupEnv: env{"HOME": filepath.Dir(filepath.Dir(path))}.lookup, Clock: later{},
		Open: func(path string) (fs.File, error) {
			f, err := os.Open(path)
			if err != nil {
				return nil, err
			}
			return &counted{File: f, reads: &reads}, nil
		},
	}
	for range 5 {
		_, err := p.Retrieve(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, 1, reads)
}

// A writer that truncates and then writes leaves moments in which the file is empty or ends
// in the middle. No chain may take that for a machine without credentials.
func TestHalfWritten(t *testing.T) {
	for name, half := range map[string]string{"empty": "", "cut": keysAB[:20]} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				written := time.Now()
				p := &profile.Provider{LookupEnv: env{"HOME": "/home"}.lookup, Open: func(path string) (fs.File, error) {
					text := half
					if time.Since(written) >= 100*time.Millisecond {
						text = keysAB
					}
					return fstest.MapFS{"home/.aws/credentials": {Data: []byte(text), ModTime: written}}.Open(path[1:])
				}}
				creds, err := p.Retrieve(t.Context())
				require.NoError(t, err)
				require.Equal(t, "AKIDA", creds.AccessKeyID)
				require.Equal(t, 100*time.Millisecond, time.Since(written))
			})
		})
	}
}

// One that stays broken is an error soon.
func TestStaysHalfWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := &profile.Provider{LookupEnv: env{"HOME": "/home"}.lookup, Open: func(path string) (fs.File, error) {
			return fstest.MapFS{"home/.aws/credentials": {Data: []byte(keysAB[:20]), ModTime: time.Now()}}.Open(path[1:])
		}}
		_, err := p.Retrieve(t.Context())
		require.ErrorContains(t, err, "expected an '=' sign")
		require.Less(t, time.Since(began), time.Second)

		left := errors.New("the user closed the tab")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Millisecond, func() { cancel(left) })
		_, err = p.Retrieve(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, left)
	})
}

// growing is a file that is longer after it was read than before.
type growing struct {
	fs.File
	stats *int
}

func (g growing) Stat() (fs.FileInfo, error) {
	info, err := g.File.Stat()
	*g.stats++
	return grown{info, int64(*g.stats)}, err
}

type grown struct {
	fs.FileInfo
	size int64
}

func (g grown) Size() int64 { return g.size }

func TestWrittenWhileRead(t *testing.T) {
	stats := 0
	p := &profile.Provider{LookupEnv: env{"HOME": "/home"}.lookup, Open: func(path string) (fs.File, error) {
		f, err := files{"/home/.aws/credentials": keysAB}.open(path)
		if err != nil || stats >= 4 {
			return f, err
		}
		return growing{f, &stats}, nil
	}}
	_, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, stats, "two reads of a file that changed")

	stats = -1_000_000
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "/home/.aws/credentials: keeps changing while it is read")
}
