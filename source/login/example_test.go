package login_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/login"
)

func Example() {
	dir, err := os.MkdirTemp("", "login")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	leaveSession(dir) // what `aws login` does

	dev := stschain.Cached(&login.Provider{
		Session:  "arn:aws:iam::123456789012:user/ada", // login_session of the profile
		Profile:  "dev",
		Region:   "eu-west-1",
		CacheDir: dir, // ~/.aws/login/cache otherwise
	})
	creds, err := dev.Retrieve(context.Background())
	switch {
	case errors.Is(err, stschain.ErrPermanent):
		log.Fatal(err) // says to run `aws login --profile dev`
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(creds.AccessKeyID, "of", creds.AccountID, "from", creds.Origin)
	// Output: ASIAIOSFODNN7EXAMPLE of 123456789012 from login arn:aws:iam::123456789012:user/ada
}

func leaveSession(dir string) {
	const name = "397b11bbda6668a5a8d17d42c91036373f4a376627089c204bef61ce0ae993c2.json"
	err := os.WriteFile(filepath.Join(dir, name), []byte(`{"accessToken": {
		"accessKeyId": "ASIAIOSFODNN7EXAMPLE", "secretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"sessionToken": "token", "accountId": "123456789012", "expiresAt": "2999-01-01T00:00:00Z"
	}}`), 0o600)
	if err != nil {
		log.Fatal(err)
	}
}
