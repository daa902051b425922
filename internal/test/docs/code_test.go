package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// code lists, by page, more files that contain its blocks: most of them import other modules, and cannot be in its folder.
var code = map[string][]string{
	"README.md":                     {"internal/test/docs/readme_test.go"},
	"docs/how-to/controller.md":     {"adapter/promsts/controller_test.go"},
	"docs/how-to/fleet.md":          {"adapter/valkeystore/howto_test.go"},
	"docs/how-to/fleet/README.md":   {"adapter/valkeystore/howto_test.go"},
	"docs/how-to/gateway.md":        {"adapter/otelsts/howto_test.go", "adapter/promsts/howto_test.go"},
	"docs/migrate/aws-sdk-go-v2.md": {"e2e/migrate/v2_test.go"},
	"docs/migrate/aws-sdk-go.md":    {"e2e/migrate/v1_test.go"},
	"docs/migrate/minio-go.md":      {"e2e/migrate/minio_test.go"},
}

// checkCode checks that each block of Go is compiled.
func checkCode(t *testing.T, p page) {
	blocks := p.of("go")
	if len(blocks) == 0 {
		return
	}
	compiled := plain(p.tests(t))
	for _, b := range blocks {
		if strings.HasPrefix(b.text, "package main\n") {
			compile(t, p, b)
			continue
		}
		require.Contains(t, compiled, plain(b.text), "the tests of %s do not contain the block at line %d", p.path, b.line)
	}
}

// plain is code without its indentation.
func plain(code string) string {
	return regexp.MustCompile(`(?m)^[\t ]+`).ReplaceAllString(strings.TrimSpace(code), "")
}

// compile compiles a whole program.
func compile(t *testing.T, p page, b block) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(b.text), 0o600))
	vet := exec.Command("go", "vet", file)
	vet.Dir = root
	out, err := vet.CombinedOutput()
	require.NoError(t, err, "%s, line %d: %s", p.path, b.line, out)
}
