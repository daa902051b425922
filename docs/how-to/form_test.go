package howto_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestForm checks that the pages have one form: these sections, in this order, and others between them.
func TestForm(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		var form []string
		for _, heading := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(string(text), -1) {
			switch heading[1] {
			case "When to use this", "Settings", "The code", "How to see that it works", "What goes wrong", "Reference":
				form = append(form, heading[1])
			}
		}
		if strings.Contains(string(text), "```go\n") {
			require.Regexp(t, "(?m)^Imports: `github.com/stschain-go/stschain`, and its packages ", string(text), page)
			requireImports(t, page, string(text))
		}
		require.Equal(t, []string{"When to use this", "Settings", "The code", "How to see that it works", "What goes wrong", "Reference"}, form, page)
	}
}

// requireImports checks that the page names each package of this module that its code uses, by the imports of the page's test.
func requireImports(t *testing.T, page, text string) {
	t.Helper()
	test, err := os.ReadFile(strings.TrimSuffix(page, ".md") + "_test.go")
	if os.IsNotExist(err) {
		return // its code is in an adapter
	}
	require.NoError(t, err)
	var code strings.Builder
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(text, -1) {
		code.WriteString(block[1])
	}
	imports := regexp.MustCompile("(?m)^Imports: .+$").FindString(text)
	for _, path := range regexp.MustCompile(`"github\.com/stschain-go/stschain/(\S+)"`).FindAllStringSubmatch(string(test), -1) {
		if regexp.MustCompile(`\b` + filepath.Base(path[1]) + `\.[A-Z]`).MatchString(code.String()) {
			require.Contains(t, imports, "`"+path[1]+"`", page)
		}
	}
}
