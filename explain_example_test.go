package stschain_test

import (
	"context"
	"fmt"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source/env"
)

func ExampleExplain() {
	variables := map[string]string{"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}
	chain := stschain.NewChain(
		stschain.Static("", "", ""),
		&env.Provider{LookupEnv: func(name string) (string, bool) { value, ok := variables[name]; return value, ok }},
		stschain.Static("AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY", ""),
	)
	x := stschain.Explain(context.Background(), chain)
	x.Took = 0 // the text has it if it is a millisecond or more
	for i := range x.Below {
		x.Below[i].Took = 0
	}
	fmt.Print(x)
	// Output:
	// failed          chain
	// not configured    static: credentials are empty
	// failed            env: AWS_SECRET_ACCESS_KEY is not set, though the access key is
	// not called        static
}
