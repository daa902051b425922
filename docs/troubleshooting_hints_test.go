package docs_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/xml"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants"
	"github.com/stschain-go/stschain/internal/test/pki"
	"github.com/stschain-go/stschain/minio"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/source/iot"
	"github.com/stschain-go/stschain/stsquery"
)

// printer makes the error with a hint, from a row without its cause.
type printer struct {
	file string // with the table
	text func(t *testing.T, row []string) string
}

var printers = map[string]printer{
	"STS": {"stsquery/hint.go", func(_ *testing.T, row []string) string {
		return (&stsquery.Error{Code: row[0], Operation: row[1], Message: row[2]}).Error()
	}},
	"S3 Express One Zone and S3 Access Grants": {"grants/grants.go", func(_ *testing.T, row []string) string {
		return (&grants.Error{Code: row[0], Operation: row[1]}).Error()
	}},
	"AWS Sign-In": {"proof/signinerror.go", func(_ *testing.T, row []string) string {
		return (&proof.SignInError{Code: row[0], Reason: row[1]}).Error()
	}},
	"MinIO":   {"minio/minio.go", minioRefusal},
	"AWS IoT": {"source/iot/refusal.go", iotRefusal},
}

// refusing is a client of a server that refuses everything, and its URL.
func refusing(t *testing.T, status int, body string) (string, *http.Client) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL, server.Client()
}

func minioRefusal(t *testing.T, row []string) string {
	t.Helper()
	var body struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Error   struct{ Code, Message string }
	}
	body.Error.Code, body.Error.Message = row[0], row[2]
	text, err := xml.Marshal(body)
	require.NoError(t, err)
	url, httpClient := refusing(t, http.StatusBadRequest, string(text))
	client := &stsquery.Client{Endpoint: url, HTTPClient: httpClient, Retry: stsquery.Retry{MaxAttempts: 1}}
	secret := func(context.Context) (stschain.Secret, error) { return stschain.NewSecret("correct horse"), nil }
	var p stschain.Provider = &minio.LDAP{Client: client, Username: "alice", Password: secret}
	switch row[1] {
	case "AssumeRoleWithCertificate":
		leaf, key := certificate()
		p = &minio.Certificate{Client: client, Certificate: func(context.Context) (tls.Certificate, error) {
			return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}, nil
		}}
	case "AssumeRoleWithCustomToken":
		p = &minio.CustomToken{Client: client, RoleARN: "arn:minio:iam:::role/idmp-test", Token: secret}
	}
	return retrieve(p).Error()
}

func iotRefusal(t *testing.T, row []string) string {
	t.Helper()
	text, err := json.Marshal(map[string]string{"message": row[0]})
	require.NoError(t, err)
	url, httpClient := refusing(t, http.StatusForbidden, string(text))
	leaf, key := certificate()
	return retrieve(&iot.Provider{
		Endpoint: url, RoleAlias: "camera-upload", HTTPClient: httpClient, MaxAttempts: 1,
		Certificates: func(context.Context) ([]*x509.Certificate, error) { return []*x509.Certificate{leaf}, nil },
		Signer:       func(context.Context) (crypto.Signer, error) { return key, nil },
	}).Error()
}

// certificate returns a certificate that is valid now, and its key.
func certificate() (*x509.Certificate, crypto.Signer) {
	key := pki.NewEC()
	leaf := pki.Root().Issue(key, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	return leaf, key
}

// sources calls visit for each file of the packages that others import, and of those that they import.
func sources(t *testing.T, visit func(path string, file *ast.File)) {
	t.Helper()
	files, err := parsed()
	require.NoError(t, err)
	for path, file := range files {
		visit(path, file)
	}
}

// parsed parses them once, by path.
var parsed = sync.OnceValues(func() (map[string]*ast.File, error) {
	files := map[string]*ast.File{}
	skipped := regexp.MustCompile(`^(\..+|internal/test|e2e|bench|cmd|docs|(.*/)?(testdata|examples))$`)
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(filepath.ToSlash(path), "../")
		switch {
		case err != nil:
			return err
		case entry.IsDir() && skipped.MatchString(name) && name != "..":
			return fs.SkipDir
		case entry.IsDir(), !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err == nil && file.Name.Name != "main" {
			files[name] = file
		}
		return err
	})
	return files, err
})

// sentinels are the exported variables Err... and types ...Error, with the text of the variables.
func sentinels(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	sources(t, func(path string, file *ast.File) {
		if strings.HasPrefix(path, "internal/") || strings.Contains(path, "/internal/") {
			return
		}
		for _, d := range file.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range decl.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() && strings.HasSuffix(s.Name.Name, "Error") {
						found[file.Name.Name+"."+s.Name.Name] = ""
					}
				case *ast.ValueSpec:
					if decl.Tok == token.VAR && strings.HasPrefix(s.Names[0].Name, "Err") {
						text, _ := literal(s.Values[0].(*ast.CallExpr).Args[0], nil)
						found[file.Name.Name+"."+s.Names[0].Name] = text
					}
				}
			}
		}
	})
	return found
}

// hintTables are the tables of hints in the code, by file: the strings of each row.
func hintTables(t *testing.T) map[string][][]string {
	t.Helper()
	packages := map[string]map[string]ast.Expr{} // constants
	sources(t, func(path string, file *ast.File) {
		dir := filepath.Dir(path)
		if packages[dir] == nil {
			packages[dir] = map[string]ast.Expr{}
		}
		constants(file, packages[dir])
	})
	found := map[string][][]string{}
	sources(t, func(path string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !isHint(spec.Names[0].Name) || len(spec.Values) == 0 {
				return true
			}
			list, ok := spec.Values[0].(*ast.CompositeLit)
			if !ok {
				return true
			}
			for _, element := range list.Elts {
				var row []string
				for _, value := range element.(*ast.CompositeLit).Elts {
					if text, ok := literal(value, packages[filepath.Dir(path)]); ok {
						row = append(row, text)
					}
				}
				found[path] = append(found[path], row)
			}
			return false
		})
	})
	require.NotEmpty(t, found)
	return found
}

// hintTexts are the hints that functions named hint return, or assign to a variable hint.
func hintTexts(t *testing.T) (found []string) {
	t.Helper()
	sources(t, func(path string, file *ast.File) {
		known := map[string]ast.Expr{}
		constants(file, known)
		collect := func(e ast.Expr) {
			if call, ok := e.(*ast.CallExpr); ok && len(call.Args) > 0 { // of Sprintf
				e = call.Args[0]
			}
			if text, ok := literal(e, known); ok && text != "" {
				found = append(found, text)
			}
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ReturnStmt:
					if isHint(f.Name.Name) && len(n.Results) == 1 {
						collect(n.Results[0])
					}
				case *ast.AssignStmt:
					if id, ok := n.Lhs[0].(*ast.Ident); ok && isHint(id.Name) && len(n.Rhs) == 1 {
						collect(n.Rhs[0])
					}
				}
				return true
			})
		}
	})
	require.Greater(t, len(found), 10)
	return found
}

func isHint(name string) bool { return regexp.MustCompile(`(?i)hints?(on)?$`).MatchString(name) }

// constants adds the constants of a file, in functions too.
func constants(file *ast.File, to map[string]ast.Expr) {
	ast.Inspect(file, func(n ast.Node) bool {
		if decl, ok := n.(*ast.GenDecl); ok && decl.Tok == token.CONST {
			for _, s := range decl.Specs {
				spec := s.(*ast.ValueSpec)
				for i, name := range spec.Names {
					if i < len(spec.Values) {
						to[name.Name] = spec.Values[i]
					}
				}
			}
		}
		return true
	})
}

// literal returns the value of an expression of string literals and constants.
func literal(e ast.Expr, known map[string]ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		if value := known[e.Name]; value != nil {
			return literal(value, known)
		}
	case *ast.BinaryExpr:
		x, ok := literal(e.X, known)
		y, also := literal(e.Y, known)
		return x + y, ok && also
	}
	return "", false
}
