package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// expanded is what an expansion of the shell stands for in a word.
const expanded = "\x00"

// An invocation is one command of a script.
type invocation struct {
	dir   string   // that cd has chosen before, "" for the first one
	env   []string // names of the variables that it sets
	words []string // without quotes; at least one
}

// invocations reads a script of bash as far as that is simple: commands with their folders. Keywords and
// redirections are left out, and so are expansions and what these run.
func invocations(script string) []invocation {
	var all []invocation
	var words []string
	dir, outer := "", []string(nil)
	end := func() {
		i := invocation{dir: dir}
		for len(words) > 0 && keyword.MatchString(words[0]) {
			words = words[1:]
		}
		for len(words) > 0 && assignment.MatchString(words[0]) {
			name, _, _ := strings.Cut(words[0], "=")
			i.env, words = append(i.env, name), words[1:]
		}
		if len(words) == 2 && words[0] == "cd" {
			dir = words[1]
		} else if len(words) > 0 {
			i.words = words
			all = append(all, i)
		}
		words = nil
	}
	for _, token := range tokens.FindAllString(script, -1) {
		switch {
		case strings.HasPrefix(token, "#"), redirection.MatchString(token), strings.Trim(token, " \t") == "", token == "\\\n":
		case token == "(" || token == "{":
			end()
			outer = append(outer, dir)
		case token == ")" || token == "}":
			end()
			if n := len(outer); n > 0 { // else it ends a pattern of case
				dir, outer = outer[n-1], outer[:n-1]
			}
		case strings.Trim(token, "&|;\n") == "":
			end()
		default:
			words = append(words, unquote(token))
		}
	}
	end()
	return all
}

var (
	expansion   = `\$\((?:[^()]|\([^()]*\))*\)|\$\{[^}]*\}|\$[\w@*#?]+`
	part        = `(?:` + expansion + `|'[^']*'|"(?:` + expansion + `|\\(?s:.)|[^"\\])*"|\\.|\$|[^\s'"\\$&|;()<>#{}]|[{}#][^\s;]*)`
	tokens      = regexp.MustCompile(`\\\n|[ \t]+|#[^\n]*|\d?[<>]+&?[ \t]*(?:` + part + `+)?|[({})]|[&|;\n]+|` + part + `(?:` + part + `|[#{}])*|(?s:.)`)
	redirection = regexp.MustCompile(`^\d?[<>]`)
	keyword     = regexp.MustCompile(`^(if|then|else|elif|fi|do|done|while|!|export|local)$`)
	assignment  = regexp.MustCompile(`^\w+=`)
	quoted      = regexp.MustCompile(`'([^']*)'|\\(.)|` + expansion + `|"`)
)

// unquote returns a word without its quotes, and with expanded for its expansions. One with all elements of an array is as a flag.
func unquote(word string) string {
	if strings.HasSuffix(word, `[@]}"`) {
		return "-" + expanded
	}
	return quoted.ReplaceAllStringFunc(word, func(found string) string {
		switch found[0] {
		case '\'':
			return strings.Trim(found, "'")
		case '\\':
			return found[1:]
		case '$':
			return expanded
		}
		return ""
	})
}

// arguments of a command, after its name.
type arguments struct {
	operands []string
	flags    map[string]string // values by name, without hyphens
}

func (i invocation) arguments() arguments {
	a := arguments{flags: map[string]string{}}
	for rest := i.words[1:]; len(rest) > 0; rest = rest[1:] {
		name, isFlag := strings.CutPrefix(rest[0], "-")
		name, value, hasValue := strings.Cut(name, "=")
		switch {
		case !isFlag:
			a.operands = append(a.operands, rest[0])
			continue
		case !hasValue && !alone.MatchString(name) && len(rest) > 1 && !strings.HasPrefix(rest[1], "-"):
			value, rest = rest[1], rest[1:]
		}
		a.flags[name] = value
	}
	return a
}

// alone are flags without a value.
var alone = regexp.MustCompile(`^(v|race|short|json|t|m|n|points-at|deps|` + expanded + `)$`)

func TestInvocations(t *testing.T) {
	require.Equal(t, []invocation{
		{dir: "a", words: []string{"go", "test", "-run", "^$", "./..."}},
		{dir: "", env: []string{"X", "Y"}, words: []string{"go", "vet", expanded + "/b"}},
		{dir: "", words: []string{"fail", "it's " + expanded}},
		{dir: "", words: []string{"case", expanded, "in"}},
		{dir: "", words: []string{"bench"}},
		{dir: "bench", words: []string{"ls", "-" + expanded}},
		{dir: "", words: []string{"*"}},
		{dir: "", words: []string{"true"}},
		{dir: "", words: []string{"esac"}},
		{dir: "", words: []string{"f"}},
		{dir: expanded, words: []string{"ls", "a#b", "x"}},
		{dir: "", words: []string{"ls", "a", "b"}},
	}, invocations(`
(cd a && go test -run '^$' \
  ./...) > "$x" 2>&1 # it's
! X=1 Y=$(f "a b" | g) go vet "${m%/*}/b" || fail "it's $y"
case "$m" in
  bench) (cd bench; ls "${flags[@]}") ;;
  *) true
esac
f() {
  cd "$1"
  ls a#b x
}
if ls a b; then
fi`))
	require.Equal(t, arguments{[]string{"test", "."}, map[string]string{"v": "", "run": "X", "count": "1", "full": ""}},
		invocations("go test -v -run X . -count=1 -full")[0].arguments())
}
