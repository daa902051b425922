package migrate_test

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exported returns the exported names of packages: their functions, types and values, and the methods and fields of the types, as
// "sts.New" and "sts.Client.AssumeRole".
func exported(t *testing.T, root string, packages []string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	args := []string{"list", "-f", "{{.Dir}}"}
	for _, p := range packages {
		args = append(args, strings.TrimSuffix(root+p, "/"))
	}
	if len(packages) == 0 {
		return found
	}
	dirs, err := exec.Command("go", args...).Output()
	require.NoError(t, err)
	for _, dir := range strings.Fields(string(dirs)) {
		pkg, err := build.ImportDir(dir, 0) // the files for this system
		require.NoError(t, err)
		for _, name := range pkg.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, name), nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, d := range file.Decls {
				names{pkg.Name, found}.declaration(d)
			}
		}
	}
	return found
}

// names are the names of a package.
type names struct {
	pkg string
	ids map[string]bool
}

func (n names) add(parts ...string) {
	for _, p := range parts {
		if !ast.IsExported(p) {
			return
		}
	}
	n.ids[n.pkg+"."+strings.Join(parts, ".")] = true
}

func (n names) declaration(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			n.add(d.Name.Name)
			return
		}
		n.add(base(d.Recv.List[0].Type), d.Name.Name)
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for _, v := range s.Names {
					n.add(v.Name)
				}
			case *ast.TypeSpec:
				n.add(s.Name.Name)
				n.members(s)
			}
		}
	}
}

// members adds the fields of a struct and the methods of an interface.
func (n names) members(s *ast.TypeSpec) {
	var list *ast.FieldList
	switch s := s.Type.(type) {
	case *ast.StructType:
		list = s.Fields
	case *ast.InterfaceType:
		list = s.Methods
	default:
		return
	}
	for _, f := range list.List {
		for _, v := range f.Names {
			n.add(s.Name.Name, v.Name)
		}
	}
}

// base returns the name of the type of a receiver.
func base(e ast.Expr) string {
	if p, ok := e.(*ast.StarExpr); ok {
		e = p.X
	}
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}
