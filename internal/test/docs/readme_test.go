package docs_test

import (
	"net/http"

	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/stsquery"
)

// The code of README.md, which is compiled, and not run.
var _ = []any{firstProgram, roleChain}

func firstProgram() (*http.Response, error) {
	role := &assumerole.Provider{
		Client:  &stsquery.Client{Credentials: &source.Default{}, Region: "eu-west-1"},
		RoleARN: "arn:aws:iam::123456789012:role/backup",
	}
	client := &http.Client{Transport: &sigv4.Transport{
		Service:     "s3",
		Region:      "eu-west-1",
		Credentials: role,
	}}
	resp, err := client.Get("https://my-bucket.s3.eu-west-1.amazonaws.com/hello.txt")
	return resp, err
}

func roleChain(baseARN, targetARN string) *assumerole.Provider {
	base := &assumerole.Provider{Client: &stsquery.Client{Credentials: &env.Provider{}, Region: "eu-west-1"}, RoleARN: baseARN}
	target := &assumerole.Provider{Client: &stsquery.Client{Credentials: base, Region: "eu-west-1"}, RoleARN: targetARN}
	return target
}
