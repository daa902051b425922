// Valkeystore assumes a role by stschain, and shares it in Valkey.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"os"

	"github.com/valkey-io/valkey-go"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/valkeystore"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/stsquery"
)

func main() {
	role := &stschain.Cache{Provider: &shared.Provider{
		Provider: &assumerole.Provider{
			Client:      &stsquery.Client{Credentials: &env.Provider{}, Region: os.Getenv("AWS_REGION")},
			RoleARN:     os.Args[1],
			SessionName: "size",
		},
		Store: &valkeystore.Store{Client: valkey.ClientOption{
			InitAddress: []string{os.Getenv("VALKEY_ADDRESS")},
			Password:    os.Getenv("VALKEY_PASSWORD"),
			TLSConfig:   &tls.Config{},
		}},
		Keys:      []stschain.Secret{stschain.NewSecret(os.Getenv("KEY"))},
		NamingKey: stschain.NewSecret(os.Getenv("NAMING_KEY")),
	}}
	creds, err := role.Retrieve(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(creds.Expires)
}
