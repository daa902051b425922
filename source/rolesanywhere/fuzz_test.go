package rolesanywhere_test

import (
	"testing"

	"github.com/stschain-go/stschain/source/rolesanywhere"
)

// FuzzResponse parses any response. Credentials that are found are complete.
func FuzzResponse(f *testing.F) {
	f.Add([]byte(`{"credentialSet":[{"credentials":{"accessKeyId":"ASIA1","secretAccessKey":"s","sessionToken":"t","expiration":"2026-12-01T13:00:00Z"},"roleArn":"` + roleARN + `"}]}`))
	f.Add([]byte(`{"credentialSet":[{"credentials":null}]}`))
	f.Add([]byte(`{"credentialSet":{}}`))
	f.Add([]byte(`{"CREDENTIALSET":[{"Credentials":{"accesskeyid":"A","SecretAccessKey":"s","SessionToken":"t","Expiration":"0"}},{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		creds, err := rolesanywhere.ParseSession(body, roleARN)
		complete := creds.AccessKeyID != "" && !creds.SecretAccessKey.IsZero() && !creds.SessionToken.IsZero() && !creds.Expires.IsZero()
		if complete != (err == nil) {
			t.Fatalf("error %v with complete = %t", err, complete)
		}
	})
}
