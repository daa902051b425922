package dirstore_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/dirstore"
)

// mount mounts an empty file system, and returns its directory.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,"+options); err != nil {
		t.Skip("a file system cannot be mounted here:", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := mount(t, "size=256k")
	s := &dirstore.Store{Dir: dir}
	large := make([]byte, 60<<10)
	for i := range large {
		large[i] = byte(rand.Uint32())
	}
	generation := put(t, s, one, string(large))
	filler := filepath.Join(dir, "filler")
	require.ErrorIs(t, os.WriteFile(filler, make([]byte, 1<<20), 0o600), syscall.ENOSPC)

	_, err := s.Save(t.Context(), one, "a", shared.Value{Sealed: large, Left: time.Hour, Generation: generation})
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.EqualError(t, err, "dirstore: cannot write to "+dir+": no space left on device")
	_, err = s.Lease(t.Context(), one, "a", false, time.Minute)
	require.ErrorIs(t, err, syscall.ENOSPC)
	_, err = s.Lease(t.Context(), two, "a", false, time.Minute)
	require.ErrorIs(t, err, syscall.ENOSPC)
	requireValue(t, s, one, string(large))
	require.Equal(t, 0, s.Locks())

	require.NoError(t, os.Remove(filler))
	files, err := os.ReadDir(filepath.Join(dir, one))
	require.NoError(t, err)
	require.Len(t, files, 2, "what could not be written is removed")
	put(t, s, one, "new")
	requireValue(t, s, one, "new")
	files, err = os.ReadDir(filepath.Join(dir, one))
	require.NoError(t, err)
	require.Len(t, files, 2)
}

func TestReadOnly(t *testing.T) {
	dir := mount(t, "size=1m")
	s := &dirstore.Store{Dir: dir}
	generation := put(t, s, one, "value")
	_, err := s.Lease(t.Context(), one, "a", true, time.Hour)
	require.NoError(t, err)
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))

	requireValue(t, s, one, "value")
	_, err = s.Load(t.Context(), two)
	require.Equal(t, shared.ErrMissing, err)
	lease, err := s.Lease(t.Context(), one, "b", false, time.Hour)
	require.NoError(t, err)
	require.Equal(t, "a", lease.Owner)
	for _, key := range []string{one, two} {
		_, err = s.Lease(t.Context(), key, "a", false, time.Hour)
		require.ErrorIs(t, err, syscall.EROFS)
	}
	_, err = s.Save(t.Context(), one, "a", shared.Value{Sealed: []byte("new"), Left: time.Hour, Generation: generation})
	require.EqualError(t, err, "dirstore: cannot write to "+dir+": read-only file system")
	require.ErrorIs(t, s.Revoke(t.Context(), one, generation), syscall.EROFS)
}

func TestNetworkOfLinux(t *testing.T) {
	dir := mount(t, "size=1m")
	put(t, &dirstore.Store{Dir: dir}, one, "value") // tmpfs is local
	requireErrors(t, &dirstore.Store{Dir: "/proc/self"}, one, "dirstore: cannot use /proc/self: ")
	for magic, want := range map[uint32]string{0x6969: "nfs", 0xFF534D42: "cifs", 0x65735546: "fuse", 0x01021994: "", 0xEF53: "", 0x794C7630: ""} {
		require.Equal(t, want, dirstore.NetworkNames[magic])
	}
}
