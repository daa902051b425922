package tokenfile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/tokenfile"
)

func TestStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"text":"first","other":1}`), 0o600))
	says := func(store *tokenfile.Store, open func(string) (fs.File, error)) string {
		c, err := store.Load(t.Context(), path, open)
		require.NoError(t, err)
		text, err := c.Text("text")
		require.NoError(t, err)
		return text.Reveal()
	}
	keep := func(store *tokenfile.Store, open func(string) (fs.File, error), text string, meanwhile func()) {
		h, err := store.Hold(t.Context(), path, open)
		require.NoError(t, err)
		defer h.Release()
		c, err := store.Load(t.Context(), path, open)
		require.NoError(t, err)
		require.False(t, h.Changed(t.Context(), c))
		meanwhile()
		h.Keep(t.Context(), c.With(c.WithText("text", stschain.NewSecret(text))))
	}
	nothing := func() {}
	read := func(path string) (fs.File, error) { return os.Open(path) } // which cannot write

	var writes, reads tokenfile.Store
	keep(&writes, nil, "second", nothing)
	require.Equal(t, "second", says(&reads, read), "it is in the file")
	keep(&reads, read, "third", nothing)
	require.Equal(t, "third", says(&reads, read), "it is in memory")
	require.Equal(t, "second", says(&writes, nil), "and not in the file")
	keep(&reads, read, "fourth", nothing)
	require.Equal(t, "fourth", says(&reads, read))
	keep(&writes, nil, "fifth", nothing)
	require.Equal(t, "fifth", says(&reads, read), "what others wrote is newer than what is in memory")

	keep(&writes, nil, "lost", func() {
		require.NoError(t, os.WriteFile(path, []byte(`{"text":"of one who takes no lock"}`), 0o600))
	})
	require.Equal(t, "of one who takes no lock", says(&writes, nil))
	keep(&writes, nil, "lost", func() { require.NoError(t, os.Remove(path)) })
	require.NoFileExists(t, path)
}

// Who waited for another process in vain does not keep the other callers waiting.
func TestHoldGivesUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	synctest.Test(t, func(t *testing.T) {
		other, err := tokenfile.Lock(t.Context(), path)
		require.NoError(t, err)
		bounded, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var store tokenfile.Store
		_, err = store.Hold(bounded, path, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		require.NoError(t, other.Release())
		bounded, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		holding, err := store.Hold(bounded, path, nil)
		require.NoError(t, err)
		holding.Release()
	})
}

func TestRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	refused, late := stschain.Permanent(errors.New("the session has ended")), context.DeadlineExceeded
	var store tokenfile.Store
	locked, err := store.Hold(t.Context(), path, nil)
	require.NoError(t, err)
	require.Equal(t, refused, locked.Refused(refused))
	locked.Release()

	unlocked, err := store.Hold(t.Context(), path, func(string) (fs.File, error) { return nil, errors.ErrUnsupported })
	require.NoError(t, err)
	defer unlocked.Release()
	require.Equal(t, late, unlocked.Refused(late))
	err = unlocked.Refused(refused)
	require.ErrorIs(t, err, stschain.ErrPermanent)
	require.EqualError(t, err, "the session has ended; or a program used the refresh token up and could not replace it in "+path+", as this one cannot")

	ended, end := context.WithCancel(t.Context())
	end()
	_, err = store.Hold(ended, path, nil)
	require.ErrorIs(t, err, context.Canceled, "it is held")
}
