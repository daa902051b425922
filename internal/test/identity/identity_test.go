package identity_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
)

func (k kind) identity(t *testing.T, v any) stschain.Identity {
	t.Helper()
	p, ok := v.(stschain.Identifier)
	if k.provider != nil {
		p, ok = k.provider(v), true
	}
	require.True(t, ok)
	i, err := p.Identity(t.Context())
	require.NoError(t, err)
	return i
}

// TestFields changes each exported field alone. A field must be listed as one that counts or as one that does not.
func TestFields(t *testing.T) {
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			kind := reflect.TypeOf(k.value()).Elem()
			require.Equal(t, name, kind.String())
			var exported, listed []string
			for i := range kind.NumField() {
				if kind.Field(i).IsExported() {
					exported = append(exported, kind.Field(i).Name)
				}
			}
			base := k.identity(t, k.value())
			require.True(t, base == k.identity(t, k.value()), "the same fields")
			canary.CheckText(t, secret, base.String())
			for counts, list := range map[bool]fields{true: k.in, false: k.out} {
				for field, value := range list {
					listed = append(listed, field)
					changed := k.value()
					f := reflect.ValueOf(changed).Elem().FieldByName(field)
					require.True(t, f.IsValid(), field)
					require.False(t, reflect.DeepEqual(f.Interface(), value), "%s has this value already", field)
					f.Set(reflect.ValueOf(value))
					i := k.identity(t, changed)
					require.Equal(t, counts, base != i, "%s: %s", field, i)
					canary.CheckText(t, secret, i.String())
				}
			}
			require.ElementsMatch(t, exported, listed, "list each field in kinds, once")
		})
	}
}

// TestDigests fails if an identity changes. Processes of two versions would no longer share credentials, or share
// the wrong ones: change identitySchema, in identity.go, when fields change their meaning, and then the digests here.
func TestDigests(t *testing.T) {
	got := map[string]string{}
	for name, k := range kinds {
		all := []string{fmt.Sprintf("base=%x", k.identity(t, k.value()).Digest())}
		for _, field := range slices.Sorted(maps.Keys(k.in)) {
			changed := k.value()
			reflect.ValueOf(changed).Elem().FieldByName(field).Set(reflect.ValueOf(k.in[field]))
			all = append(all, fmt.Sprintf("%s=%x", field, k.identity(t, changed).Digest()))
		}
		got[name] = fmt.Sprintf("%x", stschain.NewIdentity(name, all...).Digest())
	}
	require.Equal(t, digests, got)
}

// TestProviders finds a provider that is listed neither in kinds nor in refused.
func TestProviders(t *testing.T) {
	listed := []string{"stschain.Cache", "stschain.Chain", "stschain.ProviderFunc"} // see the tests of the root package
	for name := range kinds {
		listed = append(listed, name)
	}
	for _, p := range refused {
		listed = append(listed, reflect.TypeOf(p).Elem().String())
	}
	root := filepath.Join("..", "..", "..")
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			_, err := os.Stat(filepath.Join(file, "go.mod"))
			if file != root && (err == nil || slices.Contains([]string{".git", "cmd", "examples", "internal", "testdata", "ststest"}, entry.Name())) {
				return fs.SkipDir
			}
			return nil
		}
		if ok, _ := filepath.Match("*.go", entry.Name()); !ok || len(file) > 8 && file[len(file)-8:] == "_test.go" {
			return nil
		}
		code, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range code.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "Retrieve" || f.Type.Params.NumFields() != 1 {
				continue
			}
			receiver := f.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			if id, ok := receiver.(*ast.Ident); ok && id.IsExported() && !slices.Contains(listed, code.Name.Name+"."+id.Name) {
				t.Errorf("%s: %s.%s is a provider: list it in kinds or refused", file, code.Name, id.Name)
			}
		}
		return nil
	}))
}
