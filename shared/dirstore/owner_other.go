//go:build !unix && !windows

package dirstore

import "io/fs"

func checkOwner(fs.FileInfo) error { return nil }

func isBusy(error) bool { return false }
