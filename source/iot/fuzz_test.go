package iot_test

import (
	"testing"

	"github.com/stschain-go/stschain/source/iot"
)

// FuzzCredentials parses any response. Credentials that are found are complete.
func FuzzCredentials(f *testing.F) {
	f.Add([]byte(`{"credentials":{"accessKeyId":"ASIA1","secretAccessKey":"s","sessionToken":"t","expiration":"2026-12-01T13:00:00Z"}}`))
	f.Add([]byte(`{"CREDENTIALS":{"AccessKeyID":"ASIA1","SecretAccessKey":"s","SessionToken":"t","Expiration":"0"},"credentials":null}`))
	f.Add([]byte(`{"credentials":[]}`))
	f.Add([]byte(`{"message":"Access Denied"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		creds, err := iot.ParseSession(body)
		complete := creds.AccessKeyID != "" && !creds.SecretAccessKey.IsZero() && !creds.SessionToken.IsZero() && !creds.Expires.IsZero()
		if complete != (err == nil) {
			t.Fatalf("error %v with complete = %t", err, complete)
		}
	})
}
