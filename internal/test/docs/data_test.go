package docs_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert/yaml"
	"github.com/stretchr/testify/require"
	"gopkg.in/ini.v1"
)

// formats parse the blocks of data, by language.
var formats = map[string]func(string) error{
	"json": func(text string) error { return json.Unmarshal([]byte(text), new(any)) },
	"yaml": func(text string) error {
		for i, document := range regexp.MustCompile(`(?m)^---$`).Split(text, -1) {
			if err := yaml.Unmarshal([]byte(document), new(any)); err != nil {
				return fmt.Errorf("document %d: %w", i+1, err)
			}
		}
		return nil
	},
	"ini": func(text string) error {
		_, err := ini.LoadSources(ini.LoadOptions{AllowNestedValues: true}, []byte(text))
		return err
	},
}

// figures are the pages whose text blocks are neither the output of a command nor in a test, with the reason.
var figures = map[string]string{
	"docs/design.md":       "the layers, and the steps of a protocol",
	"docs/how-to/fleet.md": "an ACL, which adapter/valkeystore tests in fleet/users.acl",
}

// checkData parses the blocks of data, and reports blocks of an unknown kind.
func checkData(t *testing.T, p page) {
	for _, b := range p.blocks {
		parse := formats[b.language]
		switch b.language {
		case "go", "sh", "console", "text":
			continue
		}
		require.NotNil(t, parse, "%s, line %d: nothing checks blocks of %q", p.path, b.line, b.language)
		require.NoError(t, parse(b.text), "%s, line %d", p.path, b.line)
	}
}

// checkText checks that text shown as output is output.
func checkText(t *testing.T, p page, output string) {
	if wasSkipped := output == "" && len(p.of("sh", "console")) > 0; wasSkipped || figures[p.path] != "" {
		return
	}
	known := p.tests(t) + output
	for _, b := range p.of("text") {
		for line := range strings.Lines(b.text) {
			if line = strings.TrimSpace(line); line != "" {
				require.Regexp(t, pattern(line), known, "%s, line %d: neither a test nor the output of a command has this line", p.path, b.line)
			}
		}
	}
}

// pattern is the regular expression of text in which "..." stands for any text.
func pattern(text string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(text), `\.\.\.`, `.*`)
}

func TestFormats(t *testing.T) {
	for language, wrong := range map[string]string{"json": "{", "yaml": "a: b: c", "ini": "[a"} {
		require.Error(t, formats[language](wrong), language)
	}
	require.NoError(t, formats["yaml"]("a: 1\n---\nb: [2]\n"))
	require.Error(t, formats["yaml"]("a: 1\n---\nb: [2\n"))
}
