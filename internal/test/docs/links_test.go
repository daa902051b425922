package docs_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
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

// brokenLinks returns the relative links whose file or anchor does not exist, and external ones that are not of https.
func brokenLinks(p page) (broken []string) {
	for _, match := range link.FindAllStringSubmatch(inline.ReplaceAllString(p.text, "code"), -1) {
		target := match[1] + match[2] + match[3]
		if err := follow(p, target); err != nil {
			broken = append(broken, fmt.Sprintf("%s: %v", target, err))
		}
	}
	return broken
}

func follow(p page, target string) error {
	at, err := url.Parse(target)
	switch {
	case err != nil:
		return err
	case at.Scheme != "" && (at.Scheme != "https" || !strings.Contains(at.Host, ".")):
		return errors.New("not a URL of https")
	case at.Scheme != "":
		return nil
	}
	file := p.file(path.Base(p.path))
	if at.Path != "" {
		file = p.file(at.Path)
	}
	if _, err := os.Stat(file); err != nil || at.Fragment == "" {
		return err
	}
	text, err := os.ReadFile(file)
	if err == nil && !anchors(parse(file, string(text)).text)[at.Fragment] {
		err = errors.New("no such heading")
	}
	return err
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
	pathLike  = regexp.MustCompile(`^[\w.*{},-]+(/[\w.*{},-]+)*/?$`)
	extension = regexp.MustCompile(`\.(go|md|svg|ya?ml|sh|acl|mod)$`)
	braces    = regexp.MustCompile(`\{([^}]*)\}`)
	exported  = regexp.MustCompile(`\.[A-Z]\w*$`)
)

// missingFiles returns what looks like a path of this repository in backticks and does not exist: it begins with a folder
// of the page or of the repository, or ends like one of its files.
func missingFiles(p page) (missing []string) {
	for _, code := range inline.FindAllString(p.text, -1) {
		name := strings.Trim(code, "`")
		first, _, isDeep := strings.Cut(name, "/")
		if !pathLike.MatchString(name) {
			continue
		}
		isOurs := isDeep && first != ".." && (exists(filepath.Join(root, first)) || exists(p.file(first)))
		if !isOurs && (isDeep || !extension.MatchString(name)) {
			continue
		}
		if isOurs {
			name = exported.ReplaceAllString(name, "") // source/imds.Provider
		}
		for _, one := range expand(name) {
			if !exists(filepath.Join(root, one)) && !exists(p.file(one)) && (isDeep || !isFile(one)) {
				missing = append(missing, one)
			}
		}
	}
	return missing
}

// isFile reports whether a file of that name is anywhere in the repository: text about a package need not repeat its folder.
func isFile(name string) bool {
	for _, folder := range []string{"*", "*/*", "*/*/*", "*/*/*/*"} {
		if exists(filepath.Join(root, folder, name)) {
			return true
		}
	}
	return false
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

func TestBrokenLinks(t *testing.T) {
	p := parse("docs/a.md", "[a](design.md#layers) ![b](life.svg) [c](../README.md) [d](https://go.dev/x) `[e](f)` [g](how-to)\n"+
		"`adapter/awssdk` `source/{env,imds}` `shared/rules_test.go` `rules_test.go` `source/imds.Provider` `application/json` `~/.aws/config`")
	require.Empty(t, brokenLinks(p))
	require.Empty(t, missingFiles(p))
	p = parse("docs/a.md", "[a](design.md#nowhere) ![b](none.svg) [c](http://go.dev) [d](README.md#x)\n"+
		"`adapter/none` `source/{env,none}` `none_test.go` `docs/none.md`")
	require.Len(t, brokenLinks(p), 4)
	require.Equal(t, []string{"adapter/none", "source/none", "none_test.go", "docs/none.md"}, missingFiles(p))
}
