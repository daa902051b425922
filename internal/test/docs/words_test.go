package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWords checks that documents, comments and texts use the terms of AWS and Go; CONTRIBUTING.md has the rule.
func TestWords(t *testing.T) {
	t.Chdir(filepath.Join("..", "..", ".."))
	avoided := regexp.MustCompile(`(?i)\b(nobody|somebody|everybody|whoever|persons?|people|answer(s|ed)?|ask(s|ed|ing)?|tries|held|mend(s|ed)?|dead|beside|tells?|told|unattended)\b|([^e]|[^r]e) is no\b`)
	allowed := regexp.MustCompile(`^CONTRIBUTING.md:\d+: .*\*, not \*|http\.NoBody|"-?ASK\b|is no later|avoided := `) // the rule, and what is right
	var files []string
	require.NoError(t, filepath.WalkDir(".", func(name string, file fs.DirEntry, err error) error {
		if !file.IsDir() && (strings.HasSuffix(name, ".md") || strings.HasSuffix(name, ".go")) {
			files = append(files, name)
		}
		return err
	}))
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for i, line := range strings.Split(string(text), "\n") {
			line = fmt.Sprintf("%s:%d: %s", file, i+1, line)
			if word := avoided.FindString(line); word != "" && !allowed.MatchString(line) {
				t.Errorf("%q: use another word: %s", word, line)
			}
		}
	}
}
