//go:build unix

package dirstore_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/shared/dirstore"
)

func TestOtherOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give directories away")
	}
	dir := filepath.Join(t.TempDir(), "store")
	s := &dirstore.Store{Dir: dir}
	put(t, s, one, "value")
	require.NoError(t, os.Chown(dir, 4711, -1))
	requireErrors(t, s, one, "dirstore: cannot use "+dir+": it belongs to user 4711, and this process runs as 0: use a directory of its own")
}

func TestUnwritable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can write everywhere; TestReadOnly is for root")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500))
	_, err := (&dirstore.Store{Dir: dir}).Lease(t.Context(), one, "a", false, time.Hour)
	require.ErrorIs(t, err, os.ErrPermission)
}
