package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// steps returns the commands of the nightly workflow, and of the scripts of .ci that these run.
func steps(t *testing.T) []invocation {
	t.Helper()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		return strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	var all []invocation
	seen := map[string]bool{}
	var add func(text string)
	add = func(text string) {
		for _, i := range invocations(text) {
			all = append(all, i)
			if script := i.words[0]; strings.HasPrefix(script, ".ci/") && !seen[script] {
				seen[script] = true
				add(strings.Replace(read(script), `cd "$(dirname "$0")/.."`, "", 1)) // to the root
			}
		}
	}
	for _, run := range regexp.MustCompile(`(?m)^ +- run: (.*)$`).FindAllStringSubmatch(read(".github/workflows/nightly.yml"), -1) {
		add(run[1])
	}
	require.True(t, seen[".ci/run"] && seen[".ci/check"], "the nightly workflow runs .ci/run, and that .ci/check")
	return all
}

// covers reports whether a step of .ci runs a command, but for its sizes: numbers and durations of flags, which have
// defaults. A step that tests more of a module covers a command that tests some of it.
func (step invocation) covers(c invocation) bool {
	isVerb := func(verb string) bool { return len(c.words) > 1 && c.words[0] == "go" && c.words[1] == verb }
	isTest := isVerb("test")
	isDir := step.dir == c.dir || step.dir == expanded && isModule(c.dir) || isVerb("get") || isVerb("install") // the folder is the user's
	if !isDir || step.words[0] != c.words[0] {
		return false
	}
	if len(c.words) == 1 { // the name of a script
		return true
	}
	theirs, ours := step.arguments(), c.arguments()
	if !isTest && len(theirs.operands) != len(ours.operands) {
		return false
	}
	for i, operand := range ours.operands {
		contains := func(their string) bool { return matches(their, operand) || isTest && their == "./..." }
		if isTest && i > 0 && !slices.ContainsFunc(theirs.operands[1:], contains) || (!isTest || i == 0) && !contains(theirs.operands[i]) {
			return false
		}
	}
	for name, value := range ours.flags {
		their, ok := theirs.flags[name]
		switch {
		case name == "run" && !ok, ignored[name], size.MatchString(value) && (!ok || size.MatchString(their)):
		case !ok || !matches(their, value):
			return false
		}
	}
	for name, value := range theirs.flags {
		if _, ok := ours.flags[name]; !ok && !ignored[name] && name != "race" && !size.MatchString(value) {
			return false
		}
	}
	return true
}

// ignored are flags that change neither what is run nor how much: what is printed, cached, or takes too long. Those in
// an array of bash are how the program is built.
var ignored = map[string]bool{"v": true, "count": true, "timeout": true, "t": true, expanded: true}

var size = regexp.MustCompile(`^(\d+(\.\d+)?(x|ms|s|m|h)?|` + expanded + `)$`)

// matches reports whether a word of a script can be that word of a page, where words in capitals are placeholders, and
// versions are free.
func matches(script, word string) bool {
	script, _, _ = strings.Cut(script, "@")
	word, _, _ = strings.Cut(word, "@")
	pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.Trim(script, "^")), expanded, `.*`)
	return placeholder.MatchString(word) || regexp.MustCompile("^(?:"+pattern+`|`+strings.TrimSuffix(pattern, `\$`)+")$").MatchString(strings.Trim(word, "^"))
}

var placeholder = regexp.MustCompile(`^(DIR|VERSION)$`)

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(root, dir, "go.mod"))
	return err == nil
}

func TestCovers(t *testing.T) {
	script := `
for m in $(modules); do (cd "$m" && go test -race -timeout 20m ./...); done
go test -short ./...
(cd bench
 go test -p 1 ./...) > "$work/x" 2>&1 || { cat "it's"; fail "x"; } # it's a comment
go test -count=1 -run 'TestExplore$' ./shared -explore.full
go test -run 'TestFleet$' ./shared -fleet.days 2 -fleet.picture check
fuzz() {
  cd "$1"
  go test -run '^$' -fuzz "^$3\$" -fuzztime "$fuzztime" "$2"
}
GOOS=${1%/*} go install "${small[@]}" "$root/cmd/x@$version"
if true; then .ci/vulnerabilities "$vulndb"; fi
`
	for command, want := range map[string]bool{
		"(cd bench && go test -v -run TestGuard .)":               true,
		"cd bench && go test -run TestGC . -gc.keys 100000":       true,
		"cd bench && go test -run TestGC . -gc.name x":            false,
		"cd bench && go test -race .":                             true, // the step of all modules
		"cd nowhere && go test .":                                 false,
		"go test -run TestExplore ./shared -explore.full":         true,
		"go test -run TestExplore ./serve -explore.full":          false,
		"go test -run 'TestOther$' ./shared -explore.full":        false,
		"go test -run 'TestFleet$' ./shared -fleet.days 20":       true, // the step of all modules
		"go test -run 'TestFleet$' ./shared -fleet.picture write": false,
		"go test -run '^$' -fuzz FuzzSecret -fuzztime 10m .":      true,
		"go install example.com/m/cmd/x@latest":                   true,
		"go install example.com/m/cmd/y@latest":                   false,
		".ci/vulnerabilities VERSION":                             true,
		".ci/vulnerabilities":                                     true,
		".ci/vulnerabilities -n VERSION":                          false,
		"go run ./x":                                              false,
	} {
		c := invocations(command)
		require.Len(t, c, 1, command)
		require.Equal(t, want, slices.ContainsFunc(invocations(script), func(s invocation) bool { return s.covers(c[0]) }), command)
	}
}
