package adapters_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireRow checks that an error has a text, and that the table of errors of the page has it too.
func requireRow(t *testing.T, page, text string, err error) {
	t.Helper()
	content, readErr := os.ReadFile(filepath.Join("..", page))
	require.NoError(t, readErr)
	require.ErrorContains(t, err, text)
	require.Contains(t, string(content), "\n| `"+text+"` |")
}
