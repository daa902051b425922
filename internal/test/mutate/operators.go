package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// opposites are the operators that replace one another. A comparison is also negated, which needs no operator.
var opposites = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL,
	token.AND: token.OR, token.OR: token.AND, token.XOR: token.AND, token.AND_NOT: token.AND,
	token.SHL: token.SHR, token.SHR: token.SHL,
	token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN,
}

var negated = map[token.Token]token.Token{
	token.LSS: token.GEQ, token.LEQ: token.GTR, token.GTR: token.LEQ, token.GEQ: token.LSS, token.EQL: token.NEQ, token.NEQ: token.EQL,
}

// functions of runtime.go.txt that stand for an operator.
var functions = map[token.Token]string{
	token.LSS: "less", token.LEQ: "lessEqual", token.GTR: "greater", token.GEQ: "greaterEqual",
	token.ADD: "add", token.SUB: "sub", token.MUL: "mul", token.QUO: "quo", token.REM: "rem",
	token.AND: "and", token.OR: "or", token.XOR: "xor", token.AND_NOT: "andNot", token.SHL: "shl", token.SHR: "shr",
	token.ADD_ASSIGN: "add", token.SUB_ASSIGN: "sub",
}

// generator finds the mutants of one file.
type generator struct {
	*file
	info    *types.Info
	pkg     *types.Package
	parents []ast.Node
}

func (g *generator) walk(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		if n == nil {
			g.parents = g.parents[:len(g.parents)-1]
			return true
		}
		if !g.visit(n) {
			return false
		}
		g.parents = append(g.parents, n)
		return true
	})
}

// visit edits n, and returns whether its children are visited.
func (g *generator) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok == token.VAR
	case *ast.ArrayType, *ast.MapType, *ast.ChanType, *ast.StructType, *ast.FuncType, *ast.InterfaceType, *ast.FieldList:
		return false
	case ast.Stmt:
		g.statement(n)
		return true
	case ast.Expr:
		return g.expression(n)
	}
	return true
}

func (g *generator) parent() ast.Node {
	for i := len(g.parents) - 1; i >= 0; i-- {
		if _, paren := g.parents[i].(*ast.ParenExpr); !paren {
			return g.parents[i]
		}
	}
	return nil
}

func (g *generator) statement(s ast.Stmt) {
	if ret, ok := s.(*ast.ReturnStmt); ok && len(ret.Results) > 0 {
		g.results(ret)
		return
	}
	if !g.inList(s) {
		return
	}
	switch s := s.(type) {
	case *ast.AssignStmt:
		if s.Tok == token.DEFINE || !slices.ContainsFunc(s.Lhs, func(e ast.Expr) bool { return g.text(e) != "_" }) {
			return
		}
		g.remove(s)
		if numeric(g.info.TypeOf(s.Lhs[0])) && functions[s.Tok] != "" {
			id := g.add(s, g.with(s.Lhs[0], opposites[s.Tok], s.Rhs[0]))
			if g.skipped(s) {
				return
			}
			g.replace(s.TokPos, len(s.Tok.String()), fmt.Sprintf("= mutant_%s(%s,", functions[s.Tok], g.text(s.Lhs[0])))
			g.wrap(s.Rhs[0], "", fmt.Sprintf(", %d)", id))
		}
	case *ast.ExprStmt:
		if call, ok := s.X.(*ast.CallExpr); ok && g.removable(call) {
			g.remove(s)
		}
	case *ast.DeferStmt:
		if g.removable(s.Call) {
			g.remove(s)
		}
	case *ast.BranchStmt:
		if s.Tok == token.BREAK || s.Tok == token.CONTINUE {
			g.remove(s)
		}
	case *ast.ReturnStmt:
		if g.signature().Results().Len() == 0 {
			g.remove(s)
		}
	case *ast.IncDecStmt, *ast.GoStmt, *ast.SendStmt:
		g.remove(s)
	}
}

// removable excludes what must stay: panic ends a function, and without an Unlock every test hangs.
func (g *generator) removable(call *ast.CallExpr) bool {
	name := g.text(call.Fun)
	return name != "panic" && !strings.HasSuffix(name, "Unlock")
}

// inList reports whether s is in a block, where an if statement can take its place.
func (g *generator) inList(s ast.Stmt) bool {
	switch p := g.parent().(type) {
	case *ast.BlockStmt:
		return true
	case *ast.CaseClause:
		return true
	case *ast.CommClause:
		return s != p.Comm
	}
	return false
}

func (g *generator) remove(s ast.Stmt) {
	g.wrap(s, fmt.Sprintf("if !mutant_on(%d) { ", g.add(s, "")), " }")
}

// results replaces each returned error by nil, and each other value by the zero value.
func (g *generator) results(ret *ast.ReturnStmt) {
	want := g.signature().Results()
	if want.Len() != len(ret.Results) {
		return
	}
	for i, e := range ret.Results {
		t := want.At(i).Type()
		tv := g.info.Types[e]
		switch {
		case tv.Value != nil && g.mutable(tv), g.isZero(e):
		case types.Identical(t, types.Universe.Lookup("error").Type()):
			g.wrap(e, "mutant_noError(", fmt.Sprintf(", %d)", g.add(e, "return nil")))
		case boolean(t):
			if b, ok := ast.Unparen(e).(*ast.BinaryExpr); ok && (negated[b.Op] != 0 || opposites[b.Op] != 0) {
				continue
			}
			g.wrap(e, "((", fmt.Sprintf(") != mutant_on(%d))", g.add(e, "return !"+g.text(e))))
		default:
			g.wrap(e, fmt.Sprintf("mutant_zero[%s](", g.typeName(t)), fmt.Sprintf(", %d)", g.add(e, "return the zero value")))
		}
	}
}

// isZero reports whether e is the zero value.
func (g *generator) isZero(e ast.Expr) bool {
	tv := g.info.Types[e]
	if literal, ok := e.(*ast.CompositeLit); ok {
		_, isStruct := tv.Type.Underlying().(*types.Struct)
		return isStruct && !slices.ContainsFunc(literal.Elts, func(e ast.Expr) bool {
			if field, ok := e.(*ast.KeyValueExpr); ok {
				e = field.Value
			}
			return !g.isZero(e)
		})
	}
	return tv.IsNil() || tv.Value != nil && slices.Contains([]string{"0", "false", `""`}, tv.Value.ExactString())
}

func (g *generator) signature() *types.Signature {
	for i := len(g.parents) - 1; i >= 0; i-- {
		switch f := g.parents[i].(type) {
		case *ast.FuncLit:
			return g.info.TypeOf(f).(*types.Signature)
		case *ast.FuncDecl:
			return g.info.Defs[f.Name].Type().(*types.Signature)
		}
	}
	return types.NewSignatureType(nil, nil, nil, nil, nil, false)
}

func (g *generator) expression(e ast.Expr) bool {
	tv := g.info.Types[e]
	if tv.IsType() {
		return false
	}
	if call, ok := g.parent().(*ast.CallExpr); ok && g.text(call.Fun) == "make" && len(call.Args) == 3 && e == call.Args[2] {
		return false // a capacity changes no result
	}
	if tv.Value != nil {
		g.constant(e, tv)
		return false
	}
	if b, ok := e.(*ast.BinaryExpr); ok {
		g.binary(b)
		return true
	}
	if boolean(tv.Type) && g.isCondition(e) {
		g.wrap(e, "((", fmt.Sprintf(") != mutant_on(%d))", g.add(e, "!"+g.text(e))))
	}
	return true
}

// isCondition reports whether e is a whole condition, or an operand of one.
func (g *generator) isCondition(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return false
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			return false
		}
	}
	switch p := g.parent().(type) {
	case *ast.IfStmt, *ast.ForStmt:
		return true
	case *ast.UnaryExpr:
		return p.Op == token.NOT
	case *ast.BinaryExpr:
		return p.Op == token.LAND || p.Op == token.LOR
	case *ast.CaseClause:
		s, ok := g.parents[len(g.parents)-3].(*ast.SwitchStmt)
		return ok && s.Tag == nil
	}
	return false
}

func (g *generator) binary(b *ast.BinaryExpr) {
	opposite := opposites[b.Op]
	switch t := g.info.TypeOf(b.X); {
	case b.Op == token.EQL || b.Op == token.NEQ:
		id := g.add(b, g.with(b.X, negated[b.Op], b.Y))
		g.wrap(b, "((", fmt.Sprintf(") != mutant_on(%d))", id))
	case negated[b.Op] != 0:
		id := g.add(b, g.with(b.X, negated[b.Op], b.Y))
		g.add(b, g.with(b.X, opposite, b.Y))
		g.call(b, functions[b.Op], id)
	case b.Op == token.LAND || b.Op == token.LOR:
		name := map[token.Token]string{token.LAND: "both", token.LOR: "either"}[b.Op]
		id := g.add(b, g.with(b.X, opposite, b.Y))
		if g.skipped(b) {
			return
		}
		g.call(b, name, id)
		g.wrap(b.Y, "func() bool { return ", " }")
	case numeric(t) && opposite != 0:
		g.call(b, functions[b.Op], g.add(b, g.with(b.X, opposite, b.Y)))
	}
}

func (g *generator) call(b *ast.BinaryExpr, function string, id int) {
	if g.skipped(b) {
		return
	}
	g.wrap(b, "mutant_"+function+"(", fmt.Sprintf(", %d)", id))
	g.replace(b.OpPos, len(b.Op.String()), ",")
}

// mutable reports whether a constant has a mutant.
func (g *generator) mutable(tv types.TypeAndValue) bool { return boolean(tv.Type) || numeric(tv.Type) }

// constant doubles a duration, negates a boolean, and adds one to each other number.
func (g *generator) constant(e ast.Expr, tv types.TypeAndValue) {
	if !g.mutable(tv) {
		return
	}
	switch p := g.parent().(type) {
	case *ast.KeyValueExpr:
		if e == p.Key {
			return
		}
	case *ast.BinaryExpr:
		if (p.Op == token.SHL || p.Op == token.SHR) && e == p.X {
			return
		}
	}
	name := g.typeName(tv.Type)
	function, becomes := "increment", g.text(e)+" + 1"
	switch {
	case boolean(tv.Type):
		function, becomes = "not", "!"+g.text(e)
	case name == "time.Duration" && tv.Value.ExactString() != "0":
		function, becomes = "double", "2 * "+g.text(e)
	}
	if p, ok := g.parent().(ast.Expr); ok && len(g.text(p)) < 80 {
		becomes += " in " + g.text(p)
	}
	g.wrap(e, fmt.Sprintf("mutant_%s[%s](", function, name), fmt.Sprintf(", %d)", g.add(e, becomes)))
}

// typeName writes t as the file does.
func (g *generator) typeName(t types.Type) string {
	return types.TypeString(types.Default(t), func(p *types.Package) string {
		if p == g.pkg {
			return ""
		}
		return g.imports[p.Path()]
	})
}

func (g *generator) with(x ast.Expr, op token.Token, y ast.Expr) string {
	return g.text(x) + " " + op.String() + " " + g.text(y)
}

func boolean(t types.Type) bool { return is(t, types.IsBoolean) }
func numeric(t types.Type) bool { return is(t, types.IsInteger|types.IsFloat) }

func is(t types.Type, info types.BasicInfo) bool {
	if t == nil {
		return false
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&info != 0
}
