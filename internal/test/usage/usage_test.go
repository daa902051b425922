// Package usage_test checks that each type that users make is shown to them.
package usage_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	root   = "../../.."
	module = "github.com/stschain-go/stschain"
)

// notMade are exported structs that need no example, by the reason.
var notMade = map[string][]string{
	"an error":              {"ChainError", "proof/SignInError"},
	"passed to OnEvent":     {"shared/Event"},
	"returned by functions": {"ststest/Fault"},
	"made by implementations of Store, of which this repository has three": {"shared/Lease"},
	"made in the callback of Run, as the package comment shows":            {"shared/storetest/Setup"},
	"a result, or a part of one": {
		"Attempt", "Explanation", "PoolStatus",
		"federation/SignInURL", "minio/Session", "saml/Role", "sigv4/Presigned", "source/sso/Pending",
		"grants/accessgrants/Access", "grants/accessgrants/DataAccess", "grants/accessgrants/Grantee", "grants/s3express/Session",
		"proof/Header", "proof/Request", "proof/Token",
		"stsquery/AssumeRoleOutput", "stsquery/AssumeRoleWithSAMLOutput", "stsquery/AssumeRoleWithWebIdentityOutput", "stsquery/AssumeRootOutput",
		"stsquery/AssumedRoleUser", "stsquery/DecodeAuthorizationMessageOutput", "stsquery/FederatedUser", "stsquery/GetAccessKeyInfoOutput",
		"stsquery/GetCallerIdentityOutput", "stsquery/GetDelegatedAccessTokenOutput", "stsquery/GetFederationTokenOutput",
		"stsquery/GetSessionTokenOutput", "stsquery/GetWebIdentityTokenOutput", "stsquery/Presigned", "stsquery/UnsignedOutput",
		"ststest/Caller", "ststest/Portal", "ststest/TOTP", "ststest/User",
	},
}

// TestUsage checks that each exported struct is used in an Example or in a program of examples/, or is one that users do not make.
func TestUsage(t *testing.T) {
	made, used := map[string]bool{}, map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, _ := filepath.Rel(root, file)
		relative = filepath.ToSlash(relative)
		first, _, _ := strings.Cut(relative, "/")
		if entry.IsDir() {
			if strings.HasPrefix(entry.Name(), ".") && relative != "." || entry.Name() == "internal" || entry.Name() == "testdata" || slices.Contains([]string{"bench", "cmd", "docs", "e2e"}, first) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		code, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		inExamples := strings.HasPrefix(entry.Name(), "example") || slices.Contains(strings.Split(relative, "/"), "examples")
		switch {
		case inExamples || strings.HasSuffix(file, "_test.go"):
			for _, name := range usedIn(code, !inExamples) {
				used[name] = true
				used[path.Join(path.Dir(name), strings.TrimPrefix(path.Base(name), "New"))] = true
			}
		case code.Name.Name != "main":
			for _, name := range structsOf(code) {
				made[path.Join(path.Dir(relative), name)] = true
			}
		}
		return nil
	}))
	require.NotEmpty(t, made)
	for reason, names := range notMade {
		for _, name := range names {
			require.True(t, made[name], "%s is in notMade, and does not exist", name)
			require.False(t, used[name], "%s is in notMade, and there is an example of it", name)
			require.NotEmpty(t, reason)
			delete(made, name)
		}
	}
	for name := range made {
		if !used[name] {
			t.Errorf("%s is in no Example and in no program of examples/: add one, or the type to notMade", name)
		}
	}
}

// structsOf returns the names of the exported structs of a file.
func structsOf(code *ast.File) []string {
	var names []string
	for _, declaration := range code.Decls {
		types, ok := declaration.(*ast.GenDecl)
		if !ok || types.Tok != token.TYPE {
			continue
		}
		for _, spec := range types.Specs {
			spec := spec.(*ast.TypeSpec)
			if _, ok := spec.Type.(*ast.StructType); ok && spec.Name.IsExported() {
				names = append(names, spec.Name.Name)
			}
		}
	}
	return names
}

// usedIn returns what a file, or each Example of it, uses of this repository: package path and name.
func usedIn(code *ast.File, onlyExamples bool) []string {
	paths := map[string]string{} // by the name in this file
	for _, i := range code.Imports {
		full, _ := strconv.Unquote(i.Path.Value)
		relative, ours := strings.CutPrefix(full, module)
		if !ours {
			continue
		}
		name := path.Base(full)
		if i.Name != nil {
			name = i.Name.Name
		}
		paths[name] = strings.TrimPrefix(relative, "/")
	}
	var names []string
	for _, declaration := range code.Decls {
		f, isFunc := declaration.(*ast.FuncDecl)
		if onlyExamples && (!isFunc || !strings.HasPrefix(f.Name.Name, "Example")) {
			continue
		}
		ast.Inspect(declaration, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := s.X.(*ast.Ident); ok {
					if at, ok := paths[pkg.Name]; ok {
						names = append(names, path.Join(at, s.Sel.Name))
					}
				}
			}
			return true
		})
	}
	return names
}
