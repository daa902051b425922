// Stschaindefault assumes a role by stschain, with the SDKs' default chain.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/source"
)

func main() {
	sts, err := (&source.Default{}).Client(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	role := stschain.Cached(&assumerole.Provider{Client: sts, RoleARN: os.Args[1], SessionName: "size"})
	creds, err := role.Retrieve(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(creds.Expires)
}
