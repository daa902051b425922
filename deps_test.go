package stschain_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/stschain-go/stschain"

// TestDependencies checks the import graph against its design: what a package must
// not reach, and why.
// aws-sdk-go-v2#2930, datadog-agent#53043, datadog-agent#54318
func TestDependencies(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to list the dependencies with")
	}
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Deps " "}}`, "./...").CombinedOutput()
	require.NoError(t, err, string(out))
	for line := range strings.Lines(string(out)) {
		pkg, deps, _ := strings.Cut(strings.TrimSpace(line), ": ")
		pkg = strings.TrimPrefix(strings.TrimPrefix(pkg, module), "/")
		for dep := range strings.FieldsSeq(deps) {
			if why := mustNotReach(pkg, dep); why != "" {
				t.Errorf("%s/%s reaches %s: %s", module, pkg, dep, why)
			}
		}
	}
}

// mustNotReach returns the reason why pkg, a path in this module, must not
// depend on dep, or "".
func mustNotReach(pkg, dep string) string {
	under := func(path string, roots ...string) bool {
		for _, root := range roots {
			if path == root || strings.HasPrefix(path, root+"/") {
				return true
			}
		}
		return false
	}
	isOurs := under(dep, module)
	ours := strings.TrimPrefix(strings.TrimPrefix(dep, module), "/")
	thirdParty := !isOurs && strings.Contains(strings.Split(dep, "/")[0], ".")
	flows := []string{"assumerole", "webidentity", "saml", "sessiontoken", "federation", "minio"}
	switch {
	case under(pkg, "internal/test"):
		return "" // helpers of tests, which nothing but tests imports; see below
	case isOurs && under(ours, "internal/test"):
		return "it is for tests"
	case dep == "testing" && pkg != "shared/storetest": // which is for tests of stores: a program that reached it would reach testing
		return "it would register flags and link test code in every program"
	case under(pkg, "examples"):
		return ""
	case under(dep, "gopkg.in/ini.v1") && !under(pkg, "source/profile", "cmd") && pkg != "source":
		return "only source/profile reads INI files"
	case thirdParty && !under(dep, "golang.org/x/sync", "gopkg.in/ini.v1"):
		return "programs link golang.org/x/sync, and nothing else"
	case isOurs && under(pkg, "internal/refresh", "internal/redact", "internal/system"):
		return "it is below the root package, and imports the standard library only"
	case !isOurs, ours == "":
		return ""
	case pkg == "" && !under(ours, "internal/refresh", "internal/redact", "internal/system"):
		return "the root package imports no flow and no transport, and only the internal packages below it"
	case under(pkg, "sigv4") && !under(ours, "internal", "sigv4"):
		return "signing does not depend on STS"
	case under(pkg, "stsquery") && !under(ours, "internal", "sigv4", "stsquery"):
		return "the client does not depend on flows and sources"
	case under(pkg, flows...) && !under(ours, "internal", "sigv4", "stsquery", strings.Split(pkg, "/")[0]):
		return "a flow needs the client and nothing else"
	case under(pkg, "proof") && !under(ours, "internal", "sigv4", "stsquery", "proof"):
		return "a proof needs credentials, signatures and STS's endpoints, and nothing else"
	case under(pkg, "grants") && !under(ours, "internal", "sigv4", "stsquery", "grants"):
		return "a grant needs credentials and signatures, and nothing else"
	case under(pkg, "ststest") && !under(ours, "ststest", "internal/refresh", "internal/redact", "internal/system"):
		return "it verifies signatures with its own code, so that it does not share the bugs of sigv4"
	case under(pkg, "serve") && !under(ours, "internal", "serve"):
		return "serving needs a Provider and nothing else"
	case under(pkg, "statuspage") && !under(ours, "internal", "statuspage"):
		return "a page needs caches and pools and nothing else"
	case pkg == "shared" && !under(ours, "internal/refresh", "internal/redact", "internal/system"):
		return "sharing needs a Provider and a Store, and imports neither flows nor implementations"
	case under(pkg, "shared") && !under(ours, "internal", "shared"):
		return "a store needs the interface and nothing else"
	case under(pkg, "cmd") && under(ours, "ststest"):
		return "a program does not link a fake"
	case under(pkg, "source/env", "source/process", "source/container", "source/imds", "source/sso", "source/login", "source/rolesanywhere", "source/iot") &&
		!under(ours, "internal", pkg):
		return "a source needs a Provider's interface and nothing else"
	}
	return ""
}

// datadog-agent#54318
func TestMustNotReach(t *testing.T) {
	for _, tt := range []struct {
		pkg, dep string
		ok       bool
	}{
		{"", "golang.org/x/sync/singleflight", true},
		{"", module + "/internal/refresh", true},
		{"", module + "/sigv4", false},
		{"", module + "/internal/signature", false},
		{"internal/refresh", module + "/internal/signature", false},
		{"internal/redact", module, false},
		{"", module + "/internal/system", true},
		{"", module + "/internal/redact", true},
		{"sigv4", "testing", false},
		{"sigv4", module + "/internal/test/canary", false},
		{"assumerole", "gopkg.in/ini.v1", false},
		{"source/profile", "gopkg.in/ini.v1", true},
		{"assumerole", module + "/stsquery", true},
		{"assumerole", module + "/source/env", false},
		{"minio", module + "/source/rolesanywhere", false},
		{"stsquery", "github.com/aws/aws-sdk-go-v2/aws", false},
		{"ststest", module + "/internal/signature", false},
		{"ststest", module + "/internal/refresh", true},
		{"source/env", module + "/stsquery", false},
		{"source/env", "gopkg.in/ini.v1", false},
		{"source/rolesanywhere", module + "/stsquery", false},
		{"source/iot", module + "/stsquery", false},
		{"cmd/stschain", "gopkg.in/ini.v1", true},
		{"cmd/stschain", module + "/serve", true},
		{"cmd/stschain", module + "/ststest", false},
		{"proof", module + "/stsquery", true},
		{"statuspage", module + "/internal/guard", true},
		{"statuspage", module + "/serve", false},
		{"proof", module + "/assumerole", false},
		{"grants/s3express", module + "/sigv4", true},
		{"grants/s3express", module + "/source/env", false},
		{"shared", module + "/internal/refresh", true},
		{"shared", module + "/assumerole", false},
		{"shared", module + "/internal/flow", false},
		{"shared", module + "/shared/dirstore", false},
		{"shared/dirstore", module + "/internal/system", true},
		{"shared/dirstore", module + "/stsquery", false},
		{"shared/dirstore", "testing", false},
		{"shared/storetest", "testing", true},
	} {
		require.Equal(t, tt.ok, mustNotReach(tt.pkg, tt.dep) == "", "%s -> %s", tt.pkg, tt.dep)
	}
}

// TestLeakChecks checks that every package with tests looks for goroutines that they left running.
func TestLeakChecks(t *testing.T) {
	checked := map[string]bool{} // by folder
	require.NoError(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := os.ReadFile(path)
		dir := filepath.Dir(path)
		checked[dir] = checked[dir] || strings.Contains(string(code), "func TestMain(") && strings.Contains(string(code), "leak.")
		return err
	}))
	require.NotEmpty(t, checked)
	for dir, ok := range checked {
		if !ok {
			t.Errorf("%s has tests and no TestMain that calls leak.Main or leak.Check", dir)
		}
	}
}

// TestExportedNames checks that the program and the examples import nothing from internal/, so that what they
// do every user can do. Their tests may use internal/test.
func TestExportedNames(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to list the imports with")
	}
	out, err := exec.Command("go", "list", "-f", `{{$p := .ImportPath}}{{range .Imports}}{{$p}} {{.}}
{{end}}`, "./cmd/...", "./examples/...").CombinedOutput()
	require.NoError(t, err, string(out))
	for line := range strings.Lines(string(out)) {
		require.NotContains(t, line, " "+module+"/internal/")
	}
}

// TestModules checks that the other modules of this repository import nothing from internal/:
// they are versioned apart, so an internal package that changes would break them.
func TestModules(t *testing.T) {
	modules, err := filepath.Glob("*/go.mod")
	require.NoError(t, err)
	deeper, err := filepath.Glob("*/*/go.mod")
	require.NoError(t, err)
	require.NotEmpty(t, modules)
	for _, file := range append(modules, deeper...) {
		require.NoError(t, filepath.WalkDir(filepath.Dir(file), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") {
				return err
			}
			code, err := os.ReadFile(path)
			if strings.Contains(string(code), `"`+module+"/internal/") {
				t.Errorf("%s imports an internal package of the root module", path)
			}
			return err
		}))
	}
}

// TestRequirements checks that go.mod requires only the modules that are allowed: two that programs link, and
// two for tests.
// xk6-output-prometheus-remote#161, spire#2756, golang/vulndb#635
func TestRequirements(t *testing.T) {
	file, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	allowed := map[string]bool{
		"golang.org/x/sync": true, "gopkg.in/ini.v1": true,
		"github.com/benbjohnson/clock": true, "github.com/stretchr/testify": true,
		"go.yaml.in/yaml/v3": true, // testify's
	}
	seen := 0
	for line := range strings.Lines(string(file)) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) < 2 || !strings.HasPrefix(fields[1], "v") {
			require.NotContains(t, line, "=>", "a library replaces nothing")
			continue
		}
		seen++
		require.True(t, allowed[fields[0]], "go.mod requires %s: code that needs it belongs in a separate module", fields[0])
	}
	require.Equal(t, len(allowed), seen)
}
