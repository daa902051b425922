package dirstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/stschain-go/stschain/internal/system"
)

// open opens the directory after it examined it. If create is not set and it does not exist, the error is fs.ErrNotExist.
func (s *Store) open(create bool) (*os.Root, error) {
	if s.Dir == "" {
		return nil, errors.New("dirstore: Dir is required")
	}
	if runtime.GOOS == "js" || runtime.GOOS == "wasip1" {
		return nil, fmt.Errorf("dirstore: files cannot be locked on %s: use another Store", runtime.GOOS)
	}
	root, err := s.openDir()
	if create && errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(s.Dir, 0o700); err == nil {
			root, err = s.openDir()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("dirstore: cannot use %s: %w", s.Dir, system.WithoutPath(err))
	}
	return root, nil
}

func (s *Store) openDir() (*os.Root, error) {
	info, err := os.Lstat(s.Dir)
	switch {
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, errors.New("it is a symbolic link: use the directory that it points to, if that is the one you mean")
	case !info.IsDir():
		return nil, errors.New("it is not a directory")
	}
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return nil, err
	}
	if err := s.examine(root, info); err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

// examine fails unless root is the directory that info describes, a safe one.
func (s *Store) examine(root *os.Root, info fs.FileInfo) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	opened, err := dir.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(info, opened) {
		return errors.New("it was replaced while it was opened")
	}
	if err := checkOwner(opened); err != nil {
		return err
	}
	if mode := opened.Mode().Perm(); runtime.GOOS != "windows" && mode&0o022 != 0 {
		return fmt.Errorf("other users can write to it (mode %04o): chmod 700, or use another directory", mode)
	}
	if s.AllowNetwork {
		return nil
	}
	isNetwork := networkFileSystem
	if s.isNetwork != nil {
		isNetwork = s.isNetwork
	}
	kind, err := isNetwork(dir)
	if err == nil && kind != "" {
		err = fmt.Errorf("it may be shared with other machines (%s), where locks do not work: use a local directory, or set AllowNetwork", kind)
	}
	return err
}
