package canary_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/federation"
	"github.com/stschain-go/stschain/grants"
	"github.com/stschain-go/stschain/grants/accessgrants"
	"github.com/stschain-go/stschain/grants/s3express"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/minio"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/serve"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source/sso"
	"github.com/stschain-go/stschain/statuspage"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// secretName matches the names of fields that may be secret. Those that are not are in public.
var secretName = regexp.MustCompile(`(?i)secret|token|password|assertion|signature|namingkey|code$|^(url|value)$`)

// confidential returns the exported struct types of the module with a field that is secret, by its type or its name, or
// that gives credentials.
func confidential(t *testing.T, root string) (types []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			_, err := os.Stat(filepath.Join(file, "go.mod"))
			if file != root && (err == nil || slices.Contains([]string{".git", "cmd", "examples", "internal", "testdata"}, entry.Name())) {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		code, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(code, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				if s, ok := spec.Type.(*ast.StructType); ok && slices.ContainsFunc(s.Fields.List, isConfidential) {
					types = append(types, path.Join(module, filepath.ToSlash(dir))+"."+spec.Name.Name)
				}
			}
			return true
		})
		return nil
	}))
	return types
}

func isConfidential(f *ast.Field) bool {
	kind := f.Type
	if s, ok := kind.(*ast.SelectorExpr); ok {
		kind = s.Sel
	}
	if id, ok := kind.(*ast.Ident); ok && slices.Contains([]string{"Secret", "Credentials", "Provider", "CachedProvider"}, id.Name) {
		return slices.ContainsFunc(f.Names, (*ast.Ident).IsExported) || f.Names == nil
	}
	id, isText := kind.(*ast.Ident)
	return isText && id.Name == "string" && slices.ContainsFunc(f.Names, func(name *ast.Ident) bool {
		return name.IsExported() && secretName.MatchString(name.Name)
	})
}

const module = "github.com/stschain-go/stschain"

// values has one value of each type that confidential finds.
var values = []any{
	stschain.Cache{}, stschain.Credentials{}, stschain.Step{},
	grants.Error{}, accessgrants.DataAccess{}, accessgrants.Grants{}, accessgrants.Provider{}, s3express.Provider{}, s3express.Session{}, s3express.Sessions{},
	federation.SignIn{}, federation.SignInURL{},
	minio.Certificate{}, minio.CustomToken{}, minio.LDAP{}, minio.Session{},
	proof.Bearer{}, proof.DSQL{}, proof.ElastiCache{}, proof.Header{}, proof.IoTWebSocket{}, proof.MSK{}, proof.MemoryDB{}, proof.RDS{}, proof.Request{},
	proof.SignInError{}, proof.Token{},
	serve.Handler{},
	shared.Provider{},
	statuspage.Provider{},
	sigv4.Presigned{}, sigv4.Transport{},
	sso.Pending{},
	stsquery.AssumeRoleInput{}, stsquery.AssumeRoleOutput{}, stsquery.AssumeRoleWithSAMLInput{}, stsquery.AssumeRoleWithSAMLOutput{},
	stsquery.AssumeRoleWithWebIdentityInput{}, stsquery.AssumeRoleWithWebIdentityOutput{}, stsquery.AssumeRootOutput{},
	stsquery.Client{}, stsquery.Error{}, stsquery.GetDelegatedAccessTokenInput{}, stsquery.GetDelegatedAccessTokenOutput{},
	stsquery.GetFederationTokenOutput{}, stsquery.GetSessionTokenInput{}, stsquery.GetSessionTokenOutput{},
	stsquery.GetWebIdentityTokenOutput{}, stsquery.Presigned{}, stsquery.ProvidedContext{}, stsquery.Tag{},
	stsquery.UnsignedOutput{},
	ststest.Call{}, ststest.Issuer{}, ststest.TOTP{}, ststest.User{},
}

// public are the fields that are not secret, although they are named like one.
var public = []string{
	"grants.Error.Code", "stsquery.Error.Code", "ststest.Call.Code", "proof.SignInError.Code", "stsquery.Tag.Value", "ststest.Issuer.URL", "proof.Request.URL",
	"stsquery.AssumeRoleWithWebIdentityOutput.SubjectFromWebIdentityToken",
	"sso.Pending.URL", "sso.Pending.UserCode",
	"minio.Certificate.TokenRevokeType", "minio.CustomToken.TokenRevokeType", "minio.LDAP.TokenRevokeType",
}

// TestTypes prints every exported type that can have a secret, in every way that package canary knows. A field that is
// named like a secret gets one whatever its type is, so a Secret cannot become a string.
func TestTypes(t *testing.T) {
	const secret = "canary/of/all+types=4711"
	var listed []string
	for _, v := range values {
		filled := reflect.New(reflect.TypeOf(v))
		listed = append(listed, filled.Elem().Type().PkgPath()+"."+filled.Elem().Type().Name())
		fill(t, filled.Elem(), secret)
		canary.Check(t, secret, filled.Interface(), filled.Elem().Interface())
	}
	require.ElementsMatch(t, confidential(t, filepath.Join("..", "..", "..")), listed, "values must have each type")
}

// fill sets the secret in each field of v that can have one.
func fill(t *testing.T, v reflect.Value, secret string) {
	for i := range v.NumField() {
		field, f := v.Field(i), v.Type().Field(i)
		if !field.CanSet() {
			continue
		}
		if f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct && strings.HasPrefix(f.Type.Elem().PkgPath(), module) {
			field.Set(reflect.New(f.Type.Elem()))
			field = field.Elem()
		}
		switch value := field.Addr().Interface().(type) {
		case *stschain.Secret:
			require.Regexp(t, secretName, f.Name, "secretName must match every Secret, or it could become a string")
			*value = stschain.NewSecret(secret)
		case *[]stschain.Secret:
			*value = []stschain.Secret{stschain.NewSecret(secret)}
		case *stschain.Provider:
			*value = stschain.Static("AKIDEXAMPLE", secret, secret)
		case *string:
			if secretName.MatchString(f.Name) && !slices.Contains(public, v.Type().String()+"."+f.Name) {
				*value = secret
			}
		default:
			if field.Kind() == reflect.Struct && strings.HasPrefix(field.Type().PkgPath(), module) {
				fill(t, field, secret)
			}
		}
	}
}
