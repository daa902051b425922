package system

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Errors of ReadFile, in addition to those of the system.
var (
	ErrDirectory = errors.New("is a directory")
	ErrIrregular = errors.New("is not a regular file")
)

// TooLargeError is the error of a file that is larger than the limit.
type TooLargeError struct{ Limit int64 }

func (e *TooLargeError) Error() string { return fmt.Sprintf("exceeds %d bytes", e.Limit) }

const (
	maxRead  = 5 * time.Second // some files under /proc are regular and never end
	maxReads = 3               // of a file that is being written
)

// ReadFile reads a regular file of at most limit bytes without blocking on pipes and devices, again if
// it changed while it was read. nil opens the file as os.Open does. info is that of the file before it
// was read. The error does not name the path.
func ReadFile(open func(path string) (fs.File, error), path string, limit int64) (content []byte, info fs.FileInfo, err error) {
	if open == nil {
		open = openNonBlocking
	}
	for range maxReads {
		var changed bool
		if content, info, changed, err = readFile(open, path, limit); !changed {
			return content, info, WithoutPath(err)
		}
	}
	return nil, info, errors.New("keeps changing while it is read")
}

func readFile(open func(path string) (fs.File, error), path string, limit int64) (content []byte, info fs.FileInfo, changed bool, err error) {
	f, err := open(path)
	if err != nil {
		return nil, nil, false, err
	}
	defer f.Close()
	info, err = f.Stat()
	switch {
	case err != nil:
		return nil, nil, false, err
	case info.IsDir():
		return nil, info, false, ErrDirectory
	case !info.Mode().IsRegular():
		return nil, info, false, ErrIrregular
	case info.Size() > limit:
		return nil, info, false, &TooLargeError{limit}
	}
	if d, ok := f.(interface{ SetReadDeadline(time.Time) error }); ok {
		_ = d.SetReadDeadline(time.Now().Add(maxRead)) // ordinary files have none, and do not block
	}
	content, err = io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, info, false, err
	case int64(len(content)) > limit:
		return nil, info, false, &TooLargeError{limit}
	}
	after, err := f.Stat()
	if err != nil {
		return nil, info, false, err
	}
	return content, info, info.Size() != after.Size() || !info.ModTime().Equal(after.ModTime()), nil
}

func openNonBlocking(path string) (fs.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|NonBlock, 0)
	if err != nil {
		return nil, err // not f: a nil *os.File is not a nil fs.File
	}
	return f, nil
}

// WithoutPath returns the cause of a file's error: callers name the path themselves.
func WithoutPath(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
