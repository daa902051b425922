//go:build unix

package system

import "syscall"

// NonBlock is the flag of os.OpenFile that makes opening a pipe without a writer return immediately, where there is one.
const NonBlock = syscall.O_NONBLOCK
