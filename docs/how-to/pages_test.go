package howto_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireRows checks that the texts in the table of errors of a page are those of errors, which the code of the page returned:
// each error has a row, and each row an error.
func requireRows(t *testing.T, page string, errs ...error) {
	t.Helper()
	content, err := os.ReadFile(page)
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(content), "\n## What goes wrong\n")
	rows := regexp.MustCompile("(?m)^\\| `(.+?)` \\|").FindAllStringSubmatch(section, -1)
	require.NotEmpty(t, rows)
	shown := map[string]bool{}
	for _, err := range errs {
		require.Error(t, err)
		found := false
		for _, row := range rows {
			if strings.Contains(err.Error(), row[1]) {
				found, shown[row[1]] = true, true
			}
		}
		require.True(t, found, "%s has no row for: %v", page, err)
	}
	for _, row := range rows {
		require.True(t, shown[row[1]], "%s: no test returns %q", page, row[1])
	}
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}
