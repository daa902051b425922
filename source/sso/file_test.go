package sso_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// A file that cannot be read is no session that has ended: nobody is told to sign in again.
func TestFileThatFails(t *testing.T) {
	for _, test := range []struct {
		err       error
		want      string
		permanent bool
	}{
		{fs.ErrPermission, "permission denied: give this program access", true},
		{errors.New("input/output error"), ": input/output error", false},
	} {
		w := newWorld(t, document(noon.Add(time.Hour)))
		w.Open = func(path string) (fs.File, error) { return nil, &fs.PathError{Op: "open", Path: path, Err: test.err} }
		_, err := w.Retrieve(t.Context())
		require.ErrorContains(t, err, test.want)
		require.NotContains(t, err.Error(), "aws sso login")
		require.Equal(t, test.permanent, errors.Is(err, stschain.ErrPermanent))
		require.False(t, stschain.IsUnavailable(err), "%v", err)
		require.Empty(t, w.service.requests())
	}
}
