package profile_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/ststest"
)

// Two profiles: keys, and a role that they assume.
func ExampleProvider() {
	fake := ststest.New() // stands in for AWS
	home, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(home)
	keys := fake.User().Credentials
	write := func(name, text string) {
		os.Mkdir(filepath.Join(home, ".aws"), 0o700)
		if err := os.WriteFile(filepath.Join(home, ".aws", name), []byte(text), 0o600); err != nil {
			log.Fatal(err)
		}
	}
	write("credentials", "[base]\naws_access_key_id = "+keys.AccessKeyID+"\naws_secret_access_key = "+keys.SecretAccessKey.Reveal()+"\n")
	write("config", "[profile backup]\nregion = eu-west-1\nrole_arn = arn:aws:iam::123456789012:role/backup\nsource_profile = base\n")

	p := &profile.Provider{
		Profile:    "backup",
		Home:       home,          // leave it out to read your own
		HTTPClient: fake.Client(), // leave it out to call AWS
	}
	creds, err := stschain.Cached(p).Retrieve(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(creds.Origin)

	sts, err := p.Client(context.Background(), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sts.Region)
	// Output:
	// assumerole arn:aws:iam::123456789012:role/backup
	// eu-west-1
}
