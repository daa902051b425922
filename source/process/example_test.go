package process_test

import (
	"context"
	"fmt"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/process"
)

// A command that prints credentials, as credential_process of a profile has it. It runs once an hour, when the cache refreshes.
func ExampleProvider() {
	helper := &process.Provider{
		Command: "vault-credentials --role backup",
		Run: func(_ context.Context, command string) ([]byte, error) { // leave it out to run the command
			fmt.Println("$", command)
			return []byte(`{"Version": 1, "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "2100-01-01T00:00:00Z"}`), nil
		},
	}
	creds := stschain.Cached(helper)
	for range 2 {
		c, err := creds.Retrieve(context.Background())
		fmt.Println(c.AccessKeyID, c.SecretAccessKey, err)
	}
	// Output:
	// $ vault-credentials --role backup
	// ASIAEXAMPLE [redacted] <nil>
	// ASIAEXAMPLE [redacted] <nil>
}
