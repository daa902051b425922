// Stschain assumes a role by stschain.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/stsquery"
)

func main() {
	role := stschain.Cached(&assumerole.Provider{
		Client:      &stsquery.Client{Credentials: &env.Provider{}, Region: os.Getenv("AWS_REGION")},
		RoleARN:     os.Args[1],
		SessionName: "size",
	})
	creds, err := role.Retrieve(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(creds.Expires)
}
