package dirstore

import (
	"fmt"
	"os"
	"syscall"
)

// networkFileSystem returns the kind of a network file system, and "" for a local one.
func networkFileSystem(dir *os.File) (string, error) {
	var stat syscall.Statfs_t
	if err := syscall.Fstatfs(int(dir.Fd()), &stat); err != nil {
		return "", fmt.Errorf("statfs: %w", err)
	}
	const local = 0x1000 // MNT_LOCAL of <sys/mount.h>
	if stat.Flags&local != 0 {
		return "", nil
	}
	var name []byte
	for _, c := range stat.Fstypename {
		if c == 0 {
			break
		}
		name = append(name, byte(c))
	}
	return string(name), nil
}
