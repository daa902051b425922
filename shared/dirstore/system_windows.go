package dirstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"
)

var (
	kernel32      = syscall.NewLazyDLL("kernel32.dll")
	getVolumePath = kernel32.NewProc("GetVolumePathNameW")
	getDriveType  = kernel32.NewProc("GetDriveTypeW")
)

// networkFileSystem returns the kind of a network file system, and "" for a local one.
func networkFileSystem(dir *os.File) (string, error) {
	abs, err := filepath.Abs(dir.Name())
	if err != nil {
		return "", err
	}
	path, err := syscall.UTF16PtrFromString(abs)
	if err != nil {
		return "", err
	}
	volume := make([]uint16, len(abs)+syscall.MAX_PATH)
	if ok, _, err := getVolumePath.Call(uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&volume[0])), uintptr(len(volume))); ok == 0 {
		return "", os.NewSyscallError("GetVolumePathName", err)
	}
	const remote = 4 // DRIVE_REMOTE
	if kind, _, _ := getDriveType.Call(uintptr(unsafe.Pointer(&volume[0]))); kind == remote {
		return "network drive", nil
	}
	return "", nil
}

func checkOwner(fs.FileInfo) error { return nil } // owners and permissions are in access control lists there

// isBusy reports whether another process, such as a virus scanner, has a file open for a moment.
func isBusy(err error) bool {
	const sharingViolation, accessDenied = syscall.Errno(32), syscall.Errno(5)
	return errors.Is(err, sharingViolation) || errors.Is(err, accessDenied)
}
