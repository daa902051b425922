package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDefects checks docs/defects.md: each row is there once, and names tests that exist, or says why there
// is none.
func TestDefects(t *testing.T) {
	t.Chdir(filepath.Join("..", "..", ".."))
	document, err := os.ReadFile(filepath.Join("docs", "defects.md"))
	require.NoError(t, err)
	missing := map[string]bool{}
	for prefix, rows := range map[string]int{"4": 62, "6": 54, "1.2": 15, "3": 13, "A.7": 7} {
		for i := range rows {
			missing[fmt.Sprintf("%s.%d", prefix, i+1)] = true
		}
	}
	for prefix, rows := range map[string][]int{ // field cases
		"A": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19},
		"B": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		"C": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14},
		"D": {1, 5, 7},
	} {
		for _, n := range rows {
			missing[fmt.Sprintf("%s%d", prefix, n)] = true
		}
	}
	row := regexp.MustCompile(`(?m)^\| ([\dA-D.]+) \| .+ \| (.+) \|$`)
	test := regexp.MustCompile("`([a-z0-9/]+)\\.(Test\\w+)`")
	for _, r := range row.FindAllStringSubmatch(string(document), -1) {
		require.True(t, missing[r[1]], "row %s is there twice, or unknown", r[1])
		delete(missing, r[1])
		named := test.FindAllStringSubmatch(r[2], -1)
		require.Equal(t, len(named) == 0, strings.HasPrefix(r[2], "does not apply: "), "%s: either a test or why not", r[1])
		for _, n := range named {
			require.True(t, hasTest(t, n[1], n[2]), "%s names %s.%s, and there is no such test", r[1], n[1], n[2])
		}
	}
	require.Empty(t, missing)
}

// hasTest looks for a test in the files of a package, which need not be of this module.
func hasTest(t *testing.T, pkg, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(strings.TrimPrefix(pkg, "stschain"), "*_test.go"))
	require.NoError(t, err)
	for _, file := range files {
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.Contains(string(code), "\nfunc "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}
