package docs_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	inline = regexp.MustCompile("`[^`\n]+`")
	link   = regexp.MustCompile(`\]\(([^)\s]+)[^)]*\)|(?m:^\[[^\]]+\]: (\S+))|<(https?:[^>]+)>`)
)

// checkLinks checks that relative links and their anchors exist, and that others are of https.
func checkLinks(t *testing.T, p page) {
	for _, match := range link.FindAllStringSubmatch(inline.ReplaceAllString(p.text, "code"), -1) {
		target := match[1] + match[2] + match[3]
		at, err := url.Parse(target)
		require.NoError(t, err)
		if at.Scheme != "" {
			require.Equal(t, "https", at.Scheme, target)
			require.Contains(t, at.Host, ".", target)
			continue
		}
		file := p.file(filepath.Base(p.path))
		if at.Path != "" {
			file = p.file(at.Path)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Errorf("%s: the link %s leads nowhere", p.path, target)
			continue
		}
		if at.Fragment == "" {
			continue
		}
		require.False(t, info.IsDir(), "%s: %s is an anchor in a folder", p.path, target)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if !anchors(parse(file, string(text)).text)[at.Fragment] {
			t.Errorf("%s: the page of %s has no such heading", p.path, target)
		}
	}
}

// anchors are the names that GitHub makes of headings.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(heading[1])), "")
		name = strings.ReplaceAll(name, " ", "-")
		unique := name
		for i := 1; all[unique]; i++ {
			unique = fmt.Sprintf("%s-%d", name, i)
		}
		all[unique] = true
	}
	return all
}

func TestAnchors(t *testing.T) {
	require.Equal(t, map[string]bool{"what-is-shared": true, "a--b": true, "what-is-shared-1": true, "s3-url_of-x": true},
		anchors("# What is shared?\n## A & B\n## What is shared\n### `S3`: URL_of x\n"))
}

var (
	path      = regexp.MustCompile(`^[\w.*{},-]+(/[\w.*{},-]+)*/?$`)
	extension = regexp.MustCompile(`\.(go|md|svg|ya?ml|sh|acl|mod)$`)
	braces    = regexp.MustCompile(`\{([^}]*)\}`)
	exported  = regexp.MustCompile(`\.[A-Z]\w*$`)
)

// checkPaths checks that what looks like a path of this repository in backticks exists: it begins with a folder of the
// page or of the repository, or ends like one of its files.
func checkPaths(t *testing.T, p page) {
	for _, code := range inline.FindAllString(p.text, -1) {
		name := strings.Trim(code, "`")
		first, _, isDeep := strings.Cut(name, "/")
		if !path.MatchString(name) || otherFiles[name] {
			continue
		}
		isFolder := isDeep && first != "." && first != ".." && (exists(filepath.Join(root, first)) || exists(p.file(first)))
		if !isFolder && (isDeep || !extension.MatchString(name)) {
			continue
		}
		if isFolder {
			name = exported.ReplaceAllString(name, "") // source/imds.Provider
		}
		for _, one := range expand(name) {
			if !exists(filepath.Join(root, one)) && !exists(p.file(one)) {
				t.Errorf("%s: there is no %s", p.path, code)
			}
		}
	}
}

// exists reports whether there are files of that pattern.
func exists(pattern string) bool {
	found, err := filepath.Glob(pattern)
	return err == nil && len(found) > 0
}

// expand expands braces as a shell does, one pair.
func expand(name string) []string {
	match := braces.FindStringSubmatch(name)
	if match == nil {
		return []string{name}
	}
	var all []string
	for one := range strings.SplitSeq(match[1], ",") {
		all = append(all, strings.Replace(name, match[0], one, 1))
	}
	return all
}

// otherFiles are names in backticks that look like files of this repository, and are others.
var otherFiles = map[string]bool{}
