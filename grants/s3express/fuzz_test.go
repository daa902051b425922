package s3express_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants/s3express"
)

// FuzzHost parses any host. One that gets a session is exactly that of its bucket, under a domain of AWS.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{
		host, "s3express-control.us-east-1.amazonaws.com", "app--a-b--xa-s3.s3express-fips-a-b.dualstack.cn-north-1.amazonaws.com.cn",
		bucket + ".s3express-usw2-az1.us-west-2.evil.com", "--a--x-s3.s3express-a.b.amazonaws.com", "a--b--x-s3", ".", "a--b--x-s3.s3express-b..amazonaws.com",
	} {
		f.Add(seed)
	}
	sessions := &s3express.Sessions{Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), LookupEnv: none}
	f.Fuzz(func(t *testing.T, host string) {
		r := &http.Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: host, Path: "/k"}, Header: http.Header{}}
		scope, err := sessions.Scope(r)
		if err != nil {
			return
		}
		lower := strings.ToLower(r.URL.Hostname())
		at := strings.Index(lower, "."+scope.Region+".amazonaws.")
		if at < 0 && !strings.Contains(lower, "."+scope.Region+".") || scope.Service != "s3express" {
			t.Fatalf("%q has the scope %+v", host, scope)
		}
		if !scope.S3Session {
			if !strings.HasPrefix(lower, "s3express-control") {
				t.Fatalf("%q is signed with IAM credentials", host)
			}
			return
		}
		name, _, _ := strings.Cut(lower, ".")
		for _, b := range []s3express.Bucket{{}, {FIPS: true}, {DualStack: true}, {FIPS: true, DualStack: true}} {
			if b.Name, b.Region = name, scope.Region; b.Host() == lower {
				return
			}
		}
		t.Fatalf("%q is not the host of %q", host, name)
	})
}
