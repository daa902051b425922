// The smallest credential_process: it prints what source.Default finds.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/stschain-go/stschain/serve"
	"github.com/stschain-go/stschain/source"
)

func main() {
	if err := serve.WriteProcess(context.Background(), os.Stdout, &source.Default{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
