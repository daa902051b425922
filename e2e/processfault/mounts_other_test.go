//go:build unix && !linux

package processfault_test

import "errors"

var (
	fullDiskFault    = fault{begin: linuxOnly}
	mountedHomeFault = fault{begin: linuxOnly}
)

func linuxOnly(string, string) error { return errors.New("only Linux has mounts of one process") }
