package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whatever a file has, a session in it is complete, of the role, and valid for long enough.
func FuzzCLISession(f *testing.F) {
	f.Add([]byte(cliText("ASIACLI", sessionARN, 24*time.Hour)))
	f.Add([]byte(`{"ProviderType": "sso", "Credentials": {"AccessKeyId": "A", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2099-01-01T00:00:00Z"}}`))
	f.Add([]byte(`{"Credentials": null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		now := time.Now()
		for _, r := range []sessionRole{{arn: roleARN}, {account: "123456789012"}, {arn: "arn:::"}} {
			creds, ok := r.parse(text, now)
			if !ok {
				require.Zero(t, creds)
				continue
			}
			require.GreaterOrEqual(t, creds.Expires.Sub(now), cliLeft)
			for _, value := range []string{creds.AccessKeyID, creds.SecretAccessKey.Reveal(), creds.SessionToken.Reveal()} {
				require.Regexp(t, `^[!-~]+$`, value)
			}
		}
	})
}

// What is written as Python writes it is the same JSON, in ASCII.
func FuzzPythonJSON(f *testing.F) {
	f.Add([]byte(`{"b": [1, null, true, {"a": "\u00e9 \ud83d\ude00"}], "": "\"\\\u007f\u0000"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var v, back any
		if json.Unmarshal(text, &v) != nil {
			return
		}
		for _, compact := range []bool{false, true} {
			encoded := pythonJSON(v, compact)
			require.Regexp(t, `^[ -~]*$`, encoded)
			require.NoError(t, json.Unmarshal([]byte(encoded), &back))
			require.Equal(t, v, back)
		}
	})
}
