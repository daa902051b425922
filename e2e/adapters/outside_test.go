package adapters_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each adapter and its tests compile outside of this repository, against a root module whose internal/ has another
// name: adapters are versioned apart, so they use exported names only.
func TestOutside(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	overlay := renameInternal(t, root)
	modules, err := filepath.Glob(filepath.Join(root, "adapter", "*", "go.mod"))
	require.NoError(t, err)
	require.NotEmpty(t, modules)
	for _, file := range modules {
		adapter := filepath.Dir(file)
		t.Run(filepath.Base(adapter), func(t *testing.T) {
			outside := t.TempDir()
			require.NoError(t, os.CopyFS(outside, os.DirFS(adapter)))
			mod, err := os.ReadFile(file)
			require.NoError(t, err)
			mod = []byte(strings.Replace(string(mod), "=> ../..", "=> "+root, 1))
			require.NoError(t, os.WriteFile(filepath.Join(outside, "go.mod"), mod, 0o600))
			compile := exec.CommandContext(t.Context(), "go", "list", "-test", "-export", "-overlay", overlay, "./...")
			compile.Dir = outside
			compile.Env = append(os.Environ(), "GOWORK=off")
			out, err := compile.CombinedOutput()
			require.NoError(t, err, string(out))
		})
	}
}

// renameInternal returns the file for go's -overlay in which the root module's internal/ is called internal2/.
func renameInternal(t *testing.T, root string) string {
	const module = "github.com/stschain-go/stschain/"
	const old, renamed = module + "internal/", module + "internal2/"
	dir := t.TempDir()
	replace := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			if path != root && err == nil || entry.Name() == ".git" {
				return filepath.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		code, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if below, ok := strings.CutPrefix(relative, "internal"+string(filepath.Separator)); ok {
			replace[path] = ""
			path = filepath.Join(root, "internal2", below)
		} else if !strings.Contains(string(code), old) {
			return nil
		}
		copied := filepath.Join(dir, strings.ReplaceAll(relative, string(filepath.Separator), "+"))
		replace[path] = copied
		return os.WriteFile(copied, []byte(strings.ReplaceAll(string(code), old, renamed)), 0o600)
	}))
	file := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}
