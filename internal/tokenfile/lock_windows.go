package tokenfile

import (
	"errors"
	"os"
	"syscall"

	"github.com/stschain-go/stschain/internal/system"
)

const sharingViolation = syscall.Errno(32) // ERROR_SHARING_VIOLATION

func copyOwner(*os.File, string) {} // an owner is inherited there

func copyMode(*os.File, string) {} // and so are permissions

// tryLock opens the file so that no other process can.
func tryLock(path string) (release func() error, err error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	const shared = 0
	handle, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, shared, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	switch {
	case errors.Is(err, sharingViolation):
		return nil, system.ErrLocked
	case err != nil:
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return func() error { return syscall.CloseHandle(handle) }, nil
}
