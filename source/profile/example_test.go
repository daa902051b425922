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

	settings, err := p.Settings(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(settings.Region)
	// Output:
	// assumerole arn:aws:iam::123456789012:role/backup
	// eu-west-1
}

// What the files say, and where.
func ExampleProvider_Files() {
	p := &profile.Provider{
		LookupEnv: env{"HOME": "/home/alice"}.lookup,
		Open:      files{"/home/alice/.aws/config": "[default]\nregion = eu-west-1\n\n[profile dev]\nregion = eu-north-1\n"}.open,
	}
	files, err := p.Files(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range files.Profiles() {
		region, _ := files.Profile(name).Property("region")
		fmt.Println(name, region.Value.Reveal(), region.Position)
	}
	// Output:
	// default eu-west-1 /home/alice/.aws/config:2
	// dev eu-north-1 /home/alice/.aws/config:5
}
