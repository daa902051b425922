//go:build unix

package system

import "syscall"

// nonBlock makes opening a pipe without a writer return at once.
const nonBlock = syscall.O_NONBLOCK
