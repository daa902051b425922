package system_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/system"
)

func TestNow(t *testing.T) {
	mock := clock.NewMock()
	require.Equal(t, mock.Now(), system.Now(mock))
	require.WithinDuration(t, time.Now(), system.Now(nil), time.Minute)
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		require.NoError(t, system.Sleep(t.Context(), time.Second))
		require.Equal(t, time.Second, time.Since(began))

		reason := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(reason) })
		err := system.Sleep(ctx, time.Hour)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, reason)
		require.Equal(t, 2*time.Second, time.Since(began))
	})
}

func TestContextErr(t *testing.T) {
	require.NoError(t, system.ContextErr(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, context.Canceled, system.ContextErr(ctx))
}

func TestGetenv(t *testing.T) {
	t.Setenv("STSCHAIN_TEST", " value\n")
	require.Equal(t, "value", system.Getenv(nil, "STSCHAIN_TEST"))
	require.Empty(t, system.Getenv(func(string) (string, bool) { return "", false }, "STSCHAIN_TEST"))
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(path, []byte("12345"), 0o600))
	content, info, err := system.ReadFile(nil, path, 5)
	require.NoError(t, err)
	require.Equal(t, "12345", string(content))
	require.EqualValues(t, 5, info.Size())

	_, _, err = system.ReadFile(nil, path, 4)
	require.EqualError(t, err, "exceeds 4 bytes")
	_, _, err = system.ReadFile(nil, dir, 4)
	require.ErrorIs(t, err, system.ErrDirectory)
	_, _, err = system.ReadFile(nil, filepath.Join(dir, "none"), 4)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NotContains(t, err.Error(), dir)
}

// endless is a file that blocks until its deadline.
type endless struct {
	fs.File
	deadline time.Time
}

func (e *endless) SetReadDeadline(at time.Time) error { e.deadline = at; return nil }

func (e *endless) Read([]byte) (int, error) {
	if e.deadline.IsZero() {
		panic("read without a deadline")
	}
	return 0, &fs.PathError{Op: "read", Path: "x", Err: os.ErrDeadlineExceeded}
}

func TestReadFileDeadline(t *testing.T) {
	open := func(string) (fs.File, error) {
		f, err := fstest.MapFS{"x": {}}.Open("x")
		return &endless{File: f}, err
	}
	_, _, err := system.ReadFile(open, "x", 4)
	require.Equal(t, os.ErrDeadlineExceeded, err)
}

// growing is a file that is written to while it is read, until it has 6 bytes.
type growing struct{ *os.File }

func (g growing) Read(b []byte) (int, error) {
	n, err := g.File.Read(b)
	if info, _ := g.Stat(); err == io.EOF && info.Size() < 6 {
		_, _ = g.WriteString("12")
	}
	return n, err
}

// A file that is written to while it is read is read again.
func TestReadFileChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("12"), 0o600))
	opened := 0
	open := func(path string) (fs.File, error) {
		opened++
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		return growing{f}, err
	}
	content, info, err := system.ReadFile(open, path, 10)
	require.NoError(t, err)
	require.Equal(t, "121212", string(content))
	require.EqualValues(t, 6, info.Size())
	require.Equal(t, 3, opened)
}
