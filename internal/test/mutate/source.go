package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mutant is one edit of one place.
type mutant struct {
	id       int
	file     string // from the root of the module
	line     int
	function string
	edit     string // what was there and what replaces it, such as `a < b → a <= b`
}

// String identifies the mutant while its function stays as it is. It holds no line.
func (m mutant) String() string { return m.file + " " + m.function + ": " + m.edit }

// file is a source file with the edits that make it hold all its mutants.
type file struct {
	name    string // from the root of the module
	code    []byte
	fset    *token.FileSet
	syntax  *ast.File
	imports map[string]string // the name of each imported path
	edits   []edit
	mutants *[]mutant
	skip    map[string]map[int]bool // lines, by file, whose mutants do not compile
	seen    map[string]int
}

// edit replaces length bytes. Of those at one offset, suffixes go first, the inner before the outer, then prefixes, the outer before the inner.
type edit struct {
	offset, length, order int
	text                  string
}

func (f *file) offset(p token.Pos) int { return f.fset.Position(p).Offset }

func (f *file) text(n ast.Node) string {
	return strings.Join(strings.Fields(string(f.code[f.offset(n.Pos()):f.offset(n.End())])), " ")
}

// add lists a mutant, and returns its number.
func (f *file) add(n ast.Node, becomes string) int {
	m := mutant{id: len(*f.mutants) + 1, file: f.name, line: f.fset.Position(n.Pos()).Line, function: f.function(n.Pos()), edit: "remove " + f.text(n)}
	if becomes != "" {
		m.edit = f.text(n) + " → " + becomes
	}
	if n := f.seen[m.String()]; n > 0 {
		f.seen[m.String()]++
		m.edit += fmt.Sprintf(" (%d)", n+1)
	} else {
		f.seen[m.String()] = 1
	}
	*f.mutants = append(*f.mutants, m)
	return m.id
}

// function returns the declaration that holds p, such as Cache.Retrieve.
func (f *file) function(p token.Pos) string {
	for _, d := range f.syntax.Decls {
		if d.Pos() > p || p >= d.End() {
			continue
		}
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				return d.Name.Name
			}
			t := d.Recv.List[0].Type
			if star, ok := t.(*ast.StarExpr); ok {
				t = star.X
			}
			return f.text(t) + "." + d.Name.Name
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if v, ok := s.(*ast.ValueSpec); ok && v.Pos() <= p && p < v.End() {
					return v.Names[0].Name
				}
			}
		}
	}
	return ""
}

// skipped reports whether the edits of n do not compile.
func (f *file) skipped(n ast.Node) bool { return f.skip[f.name][f.fset.Position(n.Pos()).Line] }

func (f *file) wrap(n ast.Node, prefix, suffix string) {
	if f.skipped(n) {
		return
	}
	k := len(f.edits) + 1
	f.edits = append(f.edits, edit{f.offset(n.Pos()), 0, k, prefix}, edit{f.offset(n.End()), 0, -k, suffix})
}

func (f *file) replace(p token.Pos, length int, text string) {
	f.edits = append(f.edits, edit{f.offset(p), length, 0, text})
}

func (f *file) mutated() []byte {
	slices.SortStableFunc(f.edits, func(a, b edit) int { return cmp.Or(a.offset-b.offset, a.order-b.order) })
	var out bytes.Buffer
	from := 0
	for _, e := range f.edits {
		out.Write(f.code[from:e.offset])
		out.WriteString(e.text)
		from = e.offset + e.length
	}
	out.Write(f.code[from:])
	return out.Bytes()
}

// load reads the package in a folder below the root of the module, which is the current one, and finds its mutants.
func load(folder string, skip map[string]map[int]bool) (name string, files []*file, mutants []mutant, err error) {
	exports, listed, err := list(folder)
	if err != nil {
		return "", nil, nil, err
	}
	for _, base := range listed.GoFiles {
		f := &file{name: path.Join(folder, base), skip: skip}
		if f.code, err = os.ReadFile(f.name); err != nil {
			return "", nil, nil, err
		}
		files = append(files, f)
	}
	fset := token.NewFileSet()
	mutants, err = find(listed.ImportPath, fset, files, importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }))
	return listed.Name, files, mutants, err
}

// find edits the files of a package so that they hold all their mutants, which it returns.
func find(path string, fset *token.FileSet, files []*file, imports types.Importer) (mutants []mutant, err error) {
	var syntax []*ast.File
	for _, f := range files {
		f.fset, f.mutants, f.seen, f.imports = fset, &mutants, map[string]int{}, map[string]string{}
		if f.syntax, err = parser.ParseFile(fset, f.name, f.code, parser.SkipObjectResolution); err != nil {
			return nil, err
		}
		syntax = append(syntax, f.syntax)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Implicits: map[ast.Node]types.Object{}}
	pkg, err := (&types.Config{Importer: imports}).Check(path, fset, syntax, info)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		for _, spec := range f.syntax.Imports {
			p, _ := strconv.Unquote(spec.Path.Value)
			if spec.Name != nil {
				f.imports[p] = spec.Name.Name
			} else {
				f.imports[p] = info.Implicits[spec].Name()
			}
		}
		(&generator{file: f, info: info, pkg: pkg}).walk(f.syntax)
	}
	return mutants, nil
}

type listedPackage struct {
	ImportPath, Name, Export string
	GoFiles                  []string
}

// list returns the export data of a package's dependencies, by path, and the package.
func list(folder string) (exports map[string]string, p listedPackage, err error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Name,Export,GoFiles", "./"+folder)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, p, fmt.Errorf("go list %s: %w", folder, err)
	}
	exports = map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; exports[p.ImportPath] = p.Export {
		next := listedPackage{}
		if err := d.Decode(&next); errors.Is(err, io.EOF) {
			return exports, p, nil // dependencies come first
		} else if err != nil {
			return nil, p, err
		}
		p = next
	}
}

// overlay writes the package with all its mutants to dir, and returns the file that go test -overlay takes.
func overlay(dir, folder, name string, tests []string, files []*file) (string, error) {
	replace := map[string]string{}
	write := func(base string, code []byte) error {
		original, err := filepath.Abs(filepath.Join(folder, base))
		replace[original] = filepath.Join(dir, base)
		return errors.Join(err, os.WriteFile(replace[original], code, 0o600))
	}
	for _, f := range files {
		if err := write(path.Base(f.name), f.mutated()); err != nil {
			return "", err
		}
	}
	if err := write("mutants_runtime.go", []byte("package "+name+"\n\n"+runtime)); err != nil {
		return "", err
	}
	for _, tested := range tests {
		if err := addNext(dir, replace, tested, folder); err != nil {
			return "", err
		}
	}
	result := filepath.Join(dir, "overlay.json")
	return result, writeOverlay(result, replace)
}

func writeOverlay(name string, replace map[string]string) error {
	list, err := json.Marshal(map[string]any{"Replace": replace})
	return errors.Join(err, os.WriteFile(name, list, 0o600))
}

// nextTest is run before each run of a test, see sweep.
const nextTest = "TestMutantNext"

// addNext adds nextTest to the tests of a package.
func addNext(dir string, replace map[string]string, folder, mutated string) error {
	_, tested, err := list(folder)
	if err != nil {
		return err
	}
	imports, call := "", "MutantNext()"
	if folder != mutated {
		_, p, err := list(mutated)
		if err != nil {
			return err
		}
		imports, call = fmt.Sprintf("mutated %q\n", p.ImportPath), "mutated.MutantNext()"
	}
	code := fmt.Sprintf("package %s\n\nimport (\n%q\n%s)\n\nfunc %s(*testing.T) { %s }\n", tested.Name, "testing", imports, nextTest, call)
	original, err := filepath.Abs(filepath.Join(folder, "a_mutants_test.go")) // the first of them
	name := filepath.Join(dir, strings.ReplaceAll(folder, "/", "-")+"_next_test.go")
	replace[original] = name
	return errors.Join(err, os.WriteFile(name, []byte(code), 0o600))
}
