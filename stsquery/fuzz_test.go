package stsquery_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// seed adds the bodies of recorded answers, where the machine has them, and
// some that are hostile.
func seed(f *testing.F) {
	f.Add([]byte(assumeRoleAnswer))
	f.Add([]byte(stsError("AccessDenied", "&lt;no&#x21;&gt;")))
	for _, s := range []string{
		"", "<", "<a/>", "<a>", "</a>", "<a></b>", "<a:b xmlns:a='x'></a:b>", "<a:b></c:b>", "<!DOCTYPE a><a/>", "<?xml version='1.0'?><a/>",
		"<Error><Code>x</Code></Error>", "<Response><Errors><Error><Code>x</Code></Error></Errors></Response>",
		"<a><![CDATA[<b>]]></a>", "<a>&undefined;</a>", "<a>\x00</a>", strings.Repeat("<a>", 100),
		"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>a</AccessKeyId></Credentials></AssumeRoleResult></AssumeRoleResponse>",
	} {
		f.Add([]byte(s))
	}
	dir := os.Getenv("STSCHAIN_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "conformance")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "responses", "*", "*.http"))
	for _, file := range files {
		if raw, err := os.ReadFile(file); err == nil {
			_, body, _ := strings.Cut(string(raw), "\r\n\r\n")
			f.Add([]byte(body))
		}
	}
}

// Every operation's answer is an error, or complete: there is something to use,
// and it can be sent.
func FuzzOutputs(f *testing.F) {
	seed(f)
	for operation, test := range whole {
		f.Add([]byte(result(operation, test.answer).body))
		f.Add([]byte(result(operation, strings.Replace(test.answer, "Expiration", "Foo", 2)).body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for operation, out := range stsquery.Outputs() {
			err := stsquery.Decode(body, operation, out)
			if err != nil {
				if len(err.Error()) > 500 {
					t.Fatalf("long error: %v", err)
				}
				continue
			}
			if v := reflect.ValueOf(out).Elem(); v.FieldByName("Credentials").IsValid() {
				c := v.FieldByName("Credentials").Interface().(stschain.Credentials)
				if c.AccessKeyID == "" || c.SecretAccessKey.IsZero() || c.SessionToken.IsZero() || c.Origin != operation {
					t.Fatalf("%s: incomplete: %+v", operation, c)
				}
			}
			switch out := out.(type) {
			case *stsquery.DecodeAuthorizationMessageOutput:
				if out.DecodedMessage == "" {
					t.Fatal("no message")
				}
			case *stsquery.GetAccessKeyInfoOutput:
				if out.Account == "" {
					t.Fatal("no account")
				}
			case *stsquery.GetWebIdentityTokenOutput:
				if s := out.WebIdentityToken.Reveal(); s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
					t.Fatalf("%q is no token", s)
				}
			}
		}
	})
}
