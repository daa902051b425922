package call_test

import (
	"testing"

	"github.com/stschain-go/stschain/grants/internal/call"
)

const keys = "<Credentials><SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey><AccessKeyId>ASIA1</AccessKeyId><Expiration>2026-12-01T13:00:00Z</Expiration></Credentials>"

// FuzzParse parses any response. Credentials that are found are complete and expire.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"<CreateSessionResult>" + keys + "</CreateSessionResult>",
		`<?xml version="1.0"?><GetDataAccessResult xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/">` + keys + "<MatchedGrantTarget>s3://b/*</MatchedGrantTarget><Grantee><GranteeType>IAM</GranteeType></Grantee></GetDataAccessResult>",
		"<Error><Code>AccessDenied</Code><Message>m</Message></Error>", "<ErrorResponse><Error><Code>X</Code></Error></ErrorResponse>",
		"<CreateSessionResult>" + keys + keys + "</CreateSessionResult>", "<html>", "", "<!DOCTYPE x [<!ENTITY a 'b'>]><CreateSessionResult>&a;</CreateSessionResult>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := call.Parse(body)
		c := r.Credentials
		complete := c.AccessKeyID != "" && !c.SecretAccessKey.IsZero() && !c.SessionToken.IsZero() && !c.Expires.IsZero()
		if complete != (err == nil) {
			t.Fatalf("error %v with complete = %t", err, complete)
		}
	})
}
