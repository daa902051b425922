package stsquery_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

const assumeRoleAnswer = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY</SecretAccessKey><SessionToken>AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==</SessionToken><Expiration>2099-11-21T17:56:58.981264Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROA3X42LBCDEDRZO83XF:session</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/backup/session</Arn></AssumedRoleUser><PackedPolicySize>6</PackedPolicySize></AssumeRoleResult><ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata></AssumeRoleResponse>`

// BenchmarkAssumeRole is a whole round trip over loopback, the server's own
// allocations included.
func BenchmarkAssumeRole(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/xml")
		io.WriteString(w, assumeRoleAnswer)
	}))
	defer srv.Close()
	c := &stsquery.Client{Credentials: stschain.Static("AKID", "secret", "token"), Region: "us-east-1", Endpoint: srv.URL}
	in := stsquery.AssumeRoleInput{RoleARN: "arn:aws:iam::123456789012:role/backup", RoleSessionName: "session", Duration: time.Hour}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.AssumeRole(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPresignGetCallerIdentity(b *testing.B) {
	c := &stsquery.Client{Credentials: stschain.Static("AKID", "secret", "token"), Region: "us-east-1"}
	r := stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}, Header: http.Header{"X-K8s-Aws-Id": {"cluster"}}, Duration: time.Minute}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Presign(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
