package system

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

func tryLock(f *os.File, shared bool) error {
	const (
		failImmediately = 1                  // LOCKFILE_FAIL_IMMEDIATELY
		exclusive       = 2                  // LOCKFILE_EXCLUSIVE_LOCK
		lockViolation   = syscall.Errno(33)  // ERROR_LOCK_VIOLATION
		ioPending       = syscall.Errno(997) // ERROR_IO_PENDING
	)
	flags := uintptr(failImmediately | exclusive)
	if shared {
		flags = failImmediately
	}
	var region syscall.Overlapped // from byte 0; the region may be longer than the file
	ok, _, err := lockFileEx.Call(f.Fd(), flags, 0, 1, 0, uintptr(unsafe.Pointer(&region)))
	switch {
	case ok != 0:
		return nil
	case errors.Is(err, lockViolation), errors.Is(err, ioPending):
		return ErrLocked
	}
	return err
}
