//go:build unix

package processfault_test

import (
	"errors"
	"os"
	"syscall"
)

// fault is something that a session's program meets.
type fault struct {
	system        *syscall.SysProcAttr          // of its process, if that is special
	begin, repair func(home, file string) error // in the program
}

const (
	fullDisk    = "the disk is full"
	fileLimit   = "files may not be so long"
	mountedHome = "the home is mounted read-only"
	othersHome  = "the home is another user's"
)

var faults = map[string]fault{
	fullDisk:    fullDiskFault,
	mountedHome: mountedHomeFault,
	// This is a full disk for those who cannot have one of their own: the write that goes
	// beyond the limit is cut short, and the next one fails.
	fileLimit: {
		begin:  func(string, string) error { return limitFiles(func(l *syscall.Rlimit) { l.Cur = 5000 }) },
		repair: func(string, string) error { return limitFiles(func(l *syscall.Rlimit) { l.Cur = l.Max }) },
	},
	// Root's home, for a program of another user; or, if this is not root, it has not even
	// the owner's permission to write.
	othersHome: {begin: becomeOther},
}

func limitFiles(change func(*syscall.Rlimit)) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	change(&limit)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

func becomeOther(_, file string) error {
	if os.Getuid() == 0 {
		const other = 65534 // which no user has
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(other), syscall.Setuid(other)); err != nil {
			return err
		}
	}
	_, err := os.Stat(file) // fails where the folder of temporary files is root's alone
	return err
}
