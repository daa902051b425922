//go:build unix

package system

import "syscall"

// nonBlock makes opening a pipe without a writer return immediately.
const nonBlock = syscall.O_NONBLOCK
