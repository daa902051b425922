package profile_test

import (
	"io/fs"
	"strings"
	"testing/fstest"
)

// env is an environment.
type env map[string]string

func (e env) lookup(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

// files are those of a machine, by absolute path.
type files map[string]string

func (f files) open(path string) (fs.File, error) {
	root := fstest.MapFS{}
	for name, content := range f {
		root[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: []byte(content), Mode: 0o600}
	}
	return root.Open(strings.TrimPrefix(path, "/"))
}
