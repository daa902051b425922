package source_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/stschain-go/stschain/source"
)

func ExampleDefault() {
	os.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	os.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	defer os.Unsetenv("AWS_ACCESS_KEY_ID")
	defer os.Unsetenv("AWS_SECRET_ACCESS_KEY")

	creds, err := (&source.Default{}).Retrieve(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(creds.AccessKeyID, "from", creds.Origin)
	// Output: AKIAIOSFODNN7EXAMPLE from env
}

func ExampleDefault_Client() {
	machine := map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"AWS_REGION": "eu-west-1", "AWS_RETRY_MODE": "adaptive",
	}
	chain := &source.Default{LookupEnv: func(name string) (string, bool) {
		value, ok := machine[name]
		return value, ok
	}}
	sts, err := chain.Client(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sts.Region, sts.Retry.Mode, "retries, signed by the", sts.Credentials)
	// Output: eu-west-1 adaptive retries, signed by the default chain
}

// An error without any credentials lists where they were looked for.
func ExampleDefault_nowhere() {
	machine := map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}
	chain := &source.Default{LookupEnv: func(name string) (string, bool) {
		value, ok := machine[name]
		return value, ok
	}}
	_, err := chain.Retrieve(context.Background())
	fmt.Println(err)
	// Output:
	// source: no AWS credentials found; tried, in order:
	//   1. env: AWS_ACCESS_KEY_ID is not set
	//   2. webidentity from the environment: AWS_WEB_IDENTITY_TOKEN_FILE is not set
	//   3. profile default: no profile is selected, and there is no profile default in any file, since there is no home directory to look in
	//   4. container: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set
	//   5. imds: AWS_EC2_METADATA_DISABLED is true
	// Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, write a profile (aws configure, aws configure sso and aws login do) and name it by AWS_PROFILE if it is not the default one, or give the pod, the task or the instance a role
}
