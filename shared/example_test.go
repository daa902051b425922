package shared_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/shared/dirstore"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// Two processes of a machine share a role. Each of them makes all of this; here both are in one.
func ExampleProvider() {
	sts := ststest.New() // stands in for AWS
	temp, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(temp)
	key, namingKey := random(), random() // in a fleet, from its secret store

	process := func() *stschain.Cache {
		role := &assumerole.Provider{
			Client:      &stsquery.Client{Credentials: sts.User(), Region: "eu-west-1", HTTPClient: sts.Client()},
			RoleARN:     "arn:aws:iam::123456789012:role/backup",
			SessionName: "fleet", // the default has the name of the host
		}
		return &stschain.Cache{Provider: &shared.Provider{
			Provider:  role,
			Store:     &dirstore.Store{Dir: filepath.Join(temp, "store")},
			Keys:      []stschain.Secret{key},
			NamingKey: namingKey,
		}}
	}
	first, err := process().Retrieve(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	second, err := process().Retrieve(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the same access key ID:", first.AccessKeyID == second.AccessKeyID)
	fmt.Println("calls of AssumeRole:", sts.Count("AssumeRole"))
	// Output:
	// the same access key ID: true
	// calls of AssumeRole: 1
}

// random returns 32 random bytes.
func random() stschain.Secret {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return stschain.NewSecret(string(key))
}
