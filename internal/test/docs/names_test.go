package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	qualified = regexp.MustCompile(`^[&*]?(?:[\w/-]+/)?([a-z][a-z0-9]*)\.([A-Z]\w*)(?:\.([A-Z]\w*))?`)
	member    = regexp.MustCompile(`^[&*]?([A-Z]\w*)\.([A-Z]\w*)`)
)

// missingNames returns the names of this repository's packages in backticks that do not exist: package.Name,
// package.Type.Member and Type.Member. Others are ignored. A changelog also has names that were removed.
func missingNames(p page, known map[string]*declared) (missing []string) {
	if p.path == "CHANGELOG.md" {
		return nil
	}
	for _, code := range inline.FindAllString(p.text, -1) {
		name := strings.Trim(code, "`")
		if otherNames[name] || strings.HasPrefix(name, "cmd/") { // which has package main
			continue
		}
		if n := qualified.FindStringSubmatch(name); n != nil && known[n[1]] != nil {
			pkg := known[n[1]]
			if n[3] != "" && !pkg.has(n[2], n[3]) || !pkg.names[n[2]] {
				missing = append(missing, name)
			}
		} else if n := member.FindStringSubmatch(name); n != nil {
			isOurs, ok := false, false
			for _, pkg := range known {
				isOurs = isOurs || pkg.members[n[1]] != nil
				ok = ok || pkg.has(n[1], n[2])
			}
			if isOurs && !ok {
				missing = append(missing, name)
			}
		}
	}
	return missing
}

// otherNames are names of other projects whose package or type has a name that is ours too, such as minio.Client.
var otherNames = map[string]bool{}

// declared are the exported names of packages of one name.
type declared struct {
	names    map[string]bool
	members  map[string]map[string]bool // methods and fields, by type
	embedded map[string][]string        // names of types that a type embeds
}

// has reports whether a type has a member, also by embedding.
func (d *declared) has(name, member string) bool {
	if d.members[name][member] {
		return true
	}
	for _, inner := range d.embedded[name] {
		if inner != name && d.has(inner, member) {
			return true
		}
	}
	return false
}

// declarations parses all packages of the repository, by name.
func declarations(t *testing.T) map[string]*declared {
	t.Helper()
	all := map[string]*declared{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg := strings.TrimSuffix(file.Name.Name, "_test")
		if all[pkg] == nil {
			all[pkg] = &declared{map[string]bool{}, map[string]map[string]bool{}, map[string][]string{}}
		}
		for _, declaration := range file.Decls {
			all[pkg].add(declaration)
		}
		return nil
	}))
	delete(all, "main")
	return all
}

func (d *declared) add(declaration ast.Decl) {
	switch decl := declaration.(type) {
	case *ast.FuncDecl:
		if decl.Recv == nil {
			d.names[decl.Name.Name] = true
			return
		}
		d.member(typeName(decl.Recv.List[0].Type), decl.Name.Name)
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range s.Names {
					d.names[name.Name] = true
				}
			case *ast.TypeSpec:
				d.names[s.Name.Name] = true
				d.fields(s.Name.Name, s.Type)
			}
		}
	}
}

func (d *declared) fields(name string, expression ast.Expr) {
	var fields *ast.FieldList
	switch e := expression.(type) {
	case *ast.StructType:
		fields = e.Fields
	case *ast.InterfaceType:
		fields = e.Methods
	default:
		d.embedded[name] = append(d.embedded[name], typeName(e)) // an alias, or a type with the fields of another
		return
	}
	for _, field := range fields.List {
		for _, n := range field.Names {
			d.member(name, n.Name)
		}
		if len(field.Names) == 0 {
			d.embedded[name] = append(d.embedded[name], typeName(field.Type))
			d.member(name, typeName(field.Type))
		}
	}
}

func (d *declared) member(name, member string) {
	if d.members[name] == nil {
		d.members[name] = map[string]bool{}
	}
	d.members[name][member] = true
}

// typeName is the name of a type without its package, pointer and parameters.
func typeName(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.IndexListExpr:
		return typeName(e.X)
	}
	return ""
}

func TestMissingNames(t *testing.T) {
	names := declarations(t)
	require.Empty(t, missingNames(parse("a.md", "`stschain.Cache` `&stschain.Cache{}` `stschain.Cache.MaxStale` `Cache.Status()` `source/imds.Provider` `http.Client` "+
		"`shared/storetest.Run` `Retrieve` `Telemetry.OnEvent`"), names))
	require.Equal(t, []string{"stschain.Cash", "stschain.Cache.MaxFresh", "Cache.MaxFresh", "source/imds.Proxy"},
		missingNames(parse("a.md", "`stschain.Cash` `stschain.Cache.MaxFresh` `Cache.MaxFresh` `source/imds.Proxy`"), names))
}
