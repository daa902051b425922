//go:build !unix

package system

// NonBlock is the flag of os.OpenFile that makes opening a pipe without a writer return immediately, where there is one.
const NonBlock = 0
