package serve_test

import (
	"context"
	"fmt"
	"os"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/serve"
	"github.com/stschain-go/stschain/source/container"
)

// Serve credentials to child processes.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	h := &serve.Handler{
		Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), // any Provider: a role, a chain
		Token:       serve.NewToken(),
	}
	l, err := serve.Listen(ctx, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	go serve.Serve(ctx, l, h)

	env := map[string]string{ // of the child processes
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://" + l.Addr().String() + "/",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN":  h.Token.Reveal(),
	}
	client := &container.Provider{LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	creds, err := client.Retrieve(ctx)
	fmt.Println(creds.AccessKeyID, err)
	// Output: AKIDEXAMPLE <nil>
}

// The main function of a program that a profile configures as
//
//	credential_process = /usr/local/bin/ours
func ExampleWriteProcess() {
	role := stschain.Static("AKIDEXAMPLE", "secret", "") // any Provider: a role, a chain
	if err := serve.WriteProcess(context.Background(), os.Stdout, role); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Output: {"Version":1,"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"secret"}
}
