package docs_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/conformance"
)

var runDevelopment = flag.Bool("docs.development", false, "run the commands of development that .ci/run has no step for, at small sizes: a minute")

// small are the commands of development that no step of .ci runs as they are, with their form of small sizes: what is added, or the
// whole command. TestDevelopment runs it, or finds a step for it. $TMP is a temporary folder.
var small = map[string]string{
	"go run ./internal/test/conformance/check DIR":                     `go run ./internal/test/conformance/check "$STSCHAIN_CONFORMANCE"`,
	`go run ./internal/test/conformance/check "$STSCHAIN_CONFORMANCE"`: "",
	"go run ./internal/test/mutants":                                   "-of shared -run 'TestRuleLeader$' -only 'an attempt that saves nothing frees its lease'",
	"go run ./internal/test/mutants -of shared":                        "-run 'TestRuleLeader$' -only 'an attempt that saves nothing frees its lease'",
	"go run ./internal/test/mutate":                                    `-package sigv4 -log /tmp/mutants -log "$TMP/mutants" -match none`, // a few of them, as the next one
	"go run ./internal/test/mutate -package sigv4 -log /tmp/mutants":   `-log "$TMP/mutants" -match none`,
	"cd bench && go run ./report":                                      `-raw all.txt -raw "$TMP/raw" -times 0 -paced 0 -pool.keys 100`,
	"cd bench && go run ./report -raw all.txt":                         `-raw "$TMP/raw" -times 0 -paced 0 -pool.keys 100`,
	"cd e2e && go test -run TestFaults ./faultproxy -table faults.md":  `-table "$TMP/faults.md"`,
	"go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12":        "",
	".ci/release v0.1.0":                                               ".ci/release -n",
	"git push origin $(git tag --points-at v0.1.0)":                    "",
}

// A job is a command of development on a page: of go, git or .ci, in a block of sh or in backticks. There, without an
// operand, it is the name of a tool, and not a command.
type job struct {
	page string
	text string // with "cd DIR && "
	invocation
}

var developer = regexp.MustCompile(`^(\(?cd \S+ && )?(\w+=\S+( \w+\))? )*(go (run|test|build|install|get|vet|list)|git|\.ci/\w+)( |$)`)

// jobs returns the commands of development of a page.
func jobs(p page) []job {
	var all []job
	add := func(text string, isBlock bool) {
		if text = bare(text); !developer.MatchString(text) {
			return
		}
		j := job{page: p.path, text: strings.Trim(text, "()")}
		if strings.Count(text, "(") > 1 || !strings.HasPrefix(text, "(") {
			j.text = strings.TrimPrefix(text, "(")
		}
		found := invocations(text)
		j.invocation = found[len(found)-1]
		if j.dir == "" && j.words[0] == "go" && (p.path == "bench/README.md" || j.words[len(j.words)-1] == "./report") {
			j.dir, j.text = "bench", "cd bench && "+j.text
		}
		if isBlock || len(j.arguments().operands) > 1 || strings.HasPrefix(j.words[0], ".ci/") {
			all = append(all, j)
		}
	}
	for _, b := range p.of("sh") {
		for line := range strings.Lines(b.text) {
			add(line, true)
		}
	}
	for _, code := range inline.FindAllString(p.text, -1) {
		add(strings.Trim(code, "`"), false)
	}
	return all
}

// TestDevelopment checks that the commands of development name packages, tests and flags that exist, and that each is run: by a step
// of .ci, which .ci/run reaches, or here, with small sizes.
func TestDevelopment(t *testing.T) {
	done := map[string]bool{}
	steps := steps(t)
	isStep := func(i invocation) bool {
		return slices.ContainsFunc(steps, func(step invocation) bool { return step.covers(i) })
	}
	unused := map[string]bool{}
	for text := range small {
		unused[text] = true
	}
	script, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	require.NoError(t, err)
	for _, p := range pages(t) {
		if p.path == "CHANGELOG.md" {
			continue // its commands are those of earlier versions too
		}
		for _, j := range jobs(p) {
			j.exists(t)
			for _, name := range j.env {
				require.Contains(t, string(script), name, "%s: .ci/run does not set or read this variable: %s", j.page, j.text)
			}
			added, isSmall := small[j.text]
			delete(unused, j.text)
			command := strings.TrimSpace(j.text + " " + added)
			if strings.HasPrefix(added, "go ") || strings.HasPrefix(added, ".ci/") {
				command = added
			}
			is := invocations(command)
			if i := is[len(is)-1]; isStep(i) || done[command] {
				continue
			}
			require.True(t, isSmall, "%s: no step of .ci runs this command, and small does not have it: %s", p.path, j.text)
			done[command] = true
			t.Run(command, func(t *testing.T) {
				if !*runDevelopment && !strings.HasPrefix(command, "git") {
					t.Skip("-docs.development runs it")
				}
				j.run(t, command)
			})
		}
	}
	require.Empty(t, unused, "no page has these commands")
}

// exists checks that the packages, tests and flags of go run and go test exist.
func (j job) exists(t *testing.T) {
	t.Helper()
	if j.words[0] != "go" || j.words[1] != "run" && j.words[1] != "test" {
		return
	}
	a := j.arguments()
	var code bytes.Buffer
	for _, operand := range a.operands[1:] {
		folder := filepath.Join(root, j.dir, strings.TrimSuffix(operand, "..."))
		if strings.Contains(operand, "@") || operand == expanded || placeholder.MatchString(operand) {
			continue
		}
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		require.NoError(t, err)
		require.True(t, len(files) > 0 || strings.HasSuffix(operand, "..."), "%s: no package %s: %s", j.page, operand, j.text)
		for _, file := range files {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			code.Write(content)
		}
	}
	for name, value := range a.flags {
		switch {
		case name == "run" && value == "^$":
		case name == "run" && j.words[1] == "test", name == "fuzz":
			pattern := regexp.MustCompile(value)
			found := regexp.MustCompile(`(?m)^func ((Test|Fuzz|Example)\w*)\(`).FindAllSubmatch(code.Bytes(), -1)
			require.True(t, slices.ContainsFunc(found, func(name [][]byte) bool { return pattern.Match(name[1]) }), "%s: no test matches: %s", j.page, j.text)
		case j.words[1] == "test" && ofGo.MatchString(name):
		default:
			require.Contains(t, code.String(), `"`+name+`"`, "%s: no such flag: %s", j.page, j.text)
		}
	}
}

// ofGo are flags of go test.
var ofGo = regexp.MustCompile(`^(v|race|short|count|timeout|fuzztime)$`)

// run runs the small form of a command: git in a repository with two tags of one commit, whose origin is another one.
func (j job) run(t *testing.T, command string) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	folder, tmp := root, t.TempDir()
	switch {
	case j.words[0] == "git":
		needs(t, "git")
		folder = t.TempDir()
		command = "git init -q --bare \"$TMP/origin\" && git init -q && git remote add origin \"$TMP/origin\"\n" +
			"git -c user.name=a -c user.email=a@example.com commit -q --allow-empty -m a && git tag v0.1.0 && git tag adapter/awssdk/v0.1.0\n" +
			command + "\n[ \"$(git -C \"$TMP/origin\" tag | wc -l)\" = 2 ]"
	case strings.Contains(command, "$STSCHAIN_CONFORMANCE"):
		command = "STSCHAIN_CONFORMANCE='" + conformance.Dir(t) + "'\n" + command
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "-euc", command)
	bash.Dir, bash.Env = folder, append(os.Environ(), "TMP="+tmp)
	bash.Cancel = func() error { return bash.Process.Signal(os.Interrupt) }
	bash.WaitDelay = 10 * time.Second
	begin := time.Now()
	out, err := bash.CombinedOutput()
	if err != nil && offline.Match(out) && strings.Contains(command, "@") {
		t.Skip("the module proxy cannot be reached")
	}
	require.NoError(t, err, "%s\n%s", command, out)
	t.Logf("%.1fs", time.Since(begin).Seconds())
}

var offline = regexp.MustCompile(`dial tcp|no such host|disabled by GOPROXY=off`)
