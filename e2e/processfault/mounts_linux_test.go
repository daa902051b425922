package processfault_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ownMounts is a process that has mounts of its own, which takes root or the right to be it
// in a user namespace.
func ownMounts() *syscall.SysProcAttr {
	system := &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 {
		system.Cloneflags = syscall.CLONE_NEWUSER
		system.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		system.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return system
}

// fullDiskFault gives the file a disk that has room for it and one page more.
var fullDiskFault = fault{
	system: ownMounts(),
	begin: func(_, file string) error {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		pages := (len(content)-1)/os.Getpagesize() + 2
		if err := mountDisk(file, pages, 0); err != nil {
			return err
		}
		return os.WriteFile(file, content, 0o600)
	},
	repair: func(_, file string) error { return mountDisk(file, 1000, syscall.MS_REMOUNT) },
}

func mountDisk(file string, pages int, flags uintptr) error {
	return syscall.Mount("tmpfs", filepath.Dir(file), "tmpfs", flags, fmt.Sprintf("size=%d,huge=never", pages*os.Getpagesize()))
}

var mountedHomeFault = fault{
	system: ownMounts(),
	begin: func(home, _ string) error {
		if err := syscall.Mount(home, home, "", syscall.MS_BIND, ""); err != nil {
			return err
		}
		return syscall.Mount("", home, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
	},
	repair: func(home, _ string) error {
		return syscall.Mount("", home, "", syscall.MS_BIND|syscall.MS_REMOUNT, "")
	},
}
