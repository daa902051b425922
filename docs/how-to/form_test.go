package howto_test

import (
	"os"
	"path/filepath"
	"regexp"
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
		require.Equal(t, []string{"When to use this", "Settings", "The code", "How to see that it works", "What goes wrong", "Reference"}, form, page)
	}
}
