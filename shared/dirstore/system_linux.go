package dirstore

import (
	"fmt"
	"os"
	"syscall"
)

// networkNames are the file systems of statfs(2) that other machines, or the host of this one, may write to.
var networkNames = map[uint32]string{
	0x00006969: "nfs",
	0x0000517B: "smb",
	0x0000564C: "ncp",
	0x00C36400: "ceph",
	0x01021997: "9p",
	0x01161970: "gfs2",
	0x0BD00BD0: "lustre",
	0x19830326: "beegfs",
	0x20030528: "orangefs",
	0x47504653: "gpfs",
	0x5346414F: "afs",
	0x6B414653: "afs",
	0x65735546: "fuse",
	0x7461636F: "ocfs2",
	0x73757245: "coda",
	0x786F4256: "vboxsf",
	0xBACBACBC: "vmhgfs",
	0xFE534D42: "smb2",
	0xFF534D42: "cifs",
}

// networkFileSystem returns the kind of a network file system, and "" for a local one.
func networkFileSystem(dir *os.File) (string, error) {
	var stat syscall.Statfs_t
	if err := syscall.Fstatfs(int(dir.Fd()), &stat); err != nil {
		return "", fmt.Errorf("statfs: %w", err)
	}
	return networkNames[uint32(stat.Type)], nil // the type is signed on some architectures
}
