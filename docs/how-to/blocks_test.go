package howto_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocs checks that the Go code of these pages compiles: each block is a part of the test file of its page.
func TestDocs(t *testing.T) {
	block := regexp.MustCompile("(?ms)^```go\n(.+?)^```$")
	for page, file := range map[string]string{"rolesanywhere.md": "rolesanywhere_test.go", "iot.md": "iot_test.go"} {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		blocks := block.FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, blocks)
		for _, b := range blocks {
			require.Contains(t, plain(string(code)), plain(b[1]), "%s does not contain this block of %s", file, page)
		}
	}
}

// plain is code without its indentation.
func plain(code string) string {
	return regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(strings.TrimSpace(code), "")
}
