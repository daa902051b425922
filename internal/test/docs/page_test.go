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

// root is the folder of the repository. Paths of pages are relative to it.
const root = "../../.."

type page struct {
	path   string // with slashes
	text   string // without the blocks, whose lines are empty
	blocks []block
	faults []string // what is wrong with its form
}

type block struct {
	language string
	line     int // of the opening fence
	text     string
}

// TestDocs checks every page; the package comment has the rules.
func TestDocs(t *testing.T) {
	binary, names := build(t), declarations(t)
	for _, p := range pages(t) {
		t.Run(p.path, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, p.faults)
			var output string
			t.Run("commands", func(t *testing.T) { output = checkCommands(t, p, binary) })
			t.Run("code", func(t *testing.T) { checkCode(t, p) })
			t.Run("data", func(t *testing.T) { checkData(t, p) })
			t.Run("text", func(t *testing.T) { checkText(t, p, output) })
			t.Run("links", func(t *testing.T) { require.Empty(t, brokenLinks(p)) })
			t.Run("paths", func(t *testing.T) { require.Empty(t, missingFiles(p)) })
			t.Run("names", func(t *testing.T) { require.Empty(t, missingNames(p, names)) })
		})
	}
}

// TestIndex checks that docs/README.md has a link to each page below docs/.
func TestIndex(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(root, "docs", "README.md"))
	require.NoError(t, err)
	for _, p := range pages(t) {
		if name, ok := strings.CutPrefix(p.path, "docs/"); ok && name != "README.md" {
			require.Contains(t, string(index), "]("+name+")")
		}
	}
}

// pages finds every page of the repository.
func pages(t *testing.T) []page {
	t.Helper()
	var all []page
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		if err == nil && entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(name, ".md") {
			return err
		}
		text, err := os.ReadFile(path)
		relative, _ := filepath.Rel(root, path)
		all = append(all, parse(filepath.ToSlash(relative), strings.ReplaceAll(string(text), "\r\n", "\n")))
		return err
	}))
	require.NotEmpty(t, all)
	return all
}

var (
	fence    = regexp.MustCompile("^( *)```(.*)$")
	indented = regexp.MustCompile(`^(    |\t)`)
)

// parse separates the blocks of a page from its text.
func parse(path, content string) page {
	p := page{path: path}
	var open *block
	var margin string // of the fence
	previous := ""
	for i, line := range strings.Split(content, "\n") {
		match := fence.FindStringSubmatch(line)
		switch {
		case open == nil && match != nil:
			margin = match[1]
			open = &block{language: match[2], line: i + 1}
			if open.language == "" {
				p.faults = append(p.faults, fmt.Sprintf("line %d: a block without a language", i+1))
			}
			line = ""
		case open != nil && match != nil && match[2] == "":
			p.blocks = append(p.blocks, *open)
			open, line = nil, ""
		case open != nil:
			open.text += strings.TrimPrefix(line, margin) + "\n"
			line = ""
		case indented.MatchString(line) && strings.TrimSpace(previous) == "":
			p.faults = append(p.faults, fmt.Sprintf("line %d: an indented block: use a fence with a language", i+1))
		}
		p.text += line + "\n"
		previous = line
	}
	if open != nil {
		p.faults = append(p.faults, fmt.Sprintf("line %d: a block without an end", open.line))
	}
	return p
}

// of returns the blocks in these languages.
func (p page) of(languages ...string) []block {
	var found []block
	for _, b := range p.blocks {
		for _, language := range languages {
			if b.language == language {
				found = append(found, b)
			}
		}
	}
	return found
}

// file is the path of a file in the folder of the page.
func (p page) file(name string) string {
	return filepath.Join(root, filepath.Dir(filepath.FromSlash(p.path)), filepath.FromSlash(name))
}

// tests is the content of PAGE_test.go, and of the files that code has for the page.
func (p page) tests(t *testing.T) string {
	t.Helper()
	name := strings.ToLower(strings.TrimSuffix(filepath.Base(p.path), ".md")) + "_test.go"
	files := []string{p.file(name)}
	for _, file := range code[p.path] {
		files = append(files, filepath.Join(root, filepath.FromSlash(file)))
	}
	var all strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		if os.IsNotExist(err) && file == p.file(name) {
			continue
		}
		require.NoError(t, err)
		all.Write(content)
	}
	return all.String()
}

func TestParse(t *testing.T) {
	const fence = "```"
	p := parse("a.md", "text\n"+fence+"go\nx\n"+fence+"\n- item\n\n  "+fence+"sh\n  ls\n    deep\n  "+fence+"\nend\n")
	require.Empty(t, p.faults)
	require.Equal(t, []block{{"go", 2, "x\n"}, {"sh", 7, "ls\n  deep\n"}}, p.blocks)
	require.Equal(t, "text\n\n\n\n- item\n\n\n\n\n\nend\n\n", p.text)
	for content, fault := range map[string]string{
		fence + "\nx\n" + fence: "line 1: a block without a language",
		"a\n\n    x":            "line 3: an indented block: use a fence with a language",
		fence + "go\nx":         "line 1: a block without an end",
	} {
		require.Equal(t, []string{fault}, parse("a.md", content).faults)
	}
}
