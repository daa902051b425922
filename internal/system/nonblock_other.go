//go:build !unix

package system

const nonBlock = 0
