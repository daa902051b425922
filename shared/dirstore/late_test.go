package dirstore_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/shared/dirstore"
)

// A process that was stopped in the middle of a change, for however long, changes only what it read.
func TestLateChange(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(t *testing.T, s *dirstore.Store)
		replaced  bool
		want      string
	}{
		"nothing":      {func(*testing.T, *dirstore.Store) {}, true, "late"},
		"only read":    {func(t *testing.T, s *dirstore.Store) { requireValue(t, s, one, "value") }, true, "late"},
		"saved":        {func(t *testing.T, s *dirstore.Store) { put(t, s, one, "other") }, false, "other"},
		"saved often":  {func(t *testing.T, s *dirstore.Store) { put(t, s, one, "x"); put(t, s, one, "value") }, false, "value"},
		"leased":       {func(t *testing.T, s *dirstore.Store) { _, _ = s.Lease(t.Context(), one, "b", false, time.Minute) }, false, "value"},
		"removed":      {func(t *testing.T, s *dirstore.Store) { remove(t, filepath.Join(s.Dir, one)) }, false, ""},
		"made again":   {func(t *testing.T, s *dirstore.Store) { remove(t, filepath.Join(s.Dir, one)); put(t, s, one, "new") }, false, "new"},
		"all removed":  {func(t *testing.T, s *dirstore.Store) { remove(t, s.Dir) }, false, ""},
		"another late": {func(t *testing.T, s *dirstore.Store) { late(t, s, "first") }, false, "first"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &dirstore.Store{Dir: filepath.Join(t.TempDir(), "store")}
			put(t, s, one, "value")
			resume, err := s.Stop(t.Context(), one)
			require.NoError(t, err)
			test.meanwhile(t, &dirstore.Store{Dir: s.Dir})
			replaced, err := resume("late")
			require.True(t, err == nil || errors.Is(err, fs.ErrNotExist), err)
			require.Equal(t, test.replaced, replaced)
			if test.want != "" {
				requireValue(t, s, one, test.want)
				_, err = s.Lease(t.Context(), one, "a", true, time.Hour)
				require.NoError(t, err)
				_, err = s.Lease(t.Context(), one, "b", true, time.Hour)
				require.NoError(t, err)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	if err := os.RemoveAll(path); err != nil {
		t.Skip("an open directory cannot be removed here:", err)
	}
}

func late(t *testing.T, s *dirstore.Store, sealed string) {
	resume, err := s.Stop(t.Context(), one)
	require.NoError(t, err)
	replaced, err := resume(sealed)
	require.NoError(t, err)
	require.True(t, replaced)
}

// The sweep removes no key that was changed since it looked, and a change fails that began before the key was removed.
func TestLateChangeOfSweptKey(t *testing.T) {
	s := &dirstore.Store{Dir: t.TempDir()}
	put(t, s, one, "value")
	resume, err := s.Stop(t.Context(), one)
	require.NoError(t, err)
	week := time.Now().Add(-8 * 24 * time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(s.Dir, one), week, week))
	require.NoError(t, os.Remove(filepath.Join(s.Dir, "swept")))
	_, err = (&dirstore.Store{Dir: s.Dir}).Lease(t.Context(), two, "a", false, 0)
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(s.Dir, one))
	replaced, err := resume("late")
	require.NoError(t, err)
	require.False(t, replaced)
}

func BenchmarkStore(b *testing.B) {
	s := &dirstore.Store{Dir: b.TempDir()}
	_, err := s.Lease(b.Context(), one, "a", false, time.Hour)
	require.NoError(b, err)
	b.Run("Load", func(b *testing.B) {
		for b.Loop() {
			_, _ = s.Load(b.Context(), one)
		}
	})
	b.Run("Lease of another", func(b *testing.B) {
		for b.Loop() {
			_, _ = s.Lease(b.Context(), one, "b", false, time.Hour)
		}
	})
	b.Run("Lease renewed", func(b *testing.B) {
		for b.Loop() {
			_, _ = s.Lease(b.Context(), one, "a", false, time.Hour)
		}
	})
}
