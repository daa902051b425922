package howto_test

import (
	"log/slog"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func functionClient() *http.Client {
	role := &assumerole.Provider{
		Client:      &stsquery.Client{Credentials: &env.Provider{}, Region: os.Getenv("AWS_REGION")},
		RoleARN:     "arn:aws:iam::123456789012:role/backup",
		SessionName: os.Getenv("AWS_LAMBDA_FUNCTION_NAME"),
	}
	creds := &stschain.Cache{Provider: role, OnEvent: stschain.LogEvents(slog.Default())}
	return &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: os.Getenv("AWS_REGION"), Credentials: creds}}
}

// functionRole is the provider of functionClient, whose STS is the machine's.
func functionRole(t *testing.T, machine *machine, client *http.Client) *assumerole.Provider {
	t.Helper()
	role, ok := client.Transport.(*sigv4.Transport).Credentials.(*stschain.Cache).Provider.(*assumerole.Provider)
	require.True(t, ok)
	role.Client.HTTPClient = machine.sts.Client()
	return role
}

// function has the credentials of an execution role.
func (m *machine) function(t *testing.T) stschain.Credentials {
	t.Helper()
	creds, err := m.role("my-function").Retrieve(t.Context())
	require.NoError(t, err)
	t.Setenv("AWS_ACCESS_KEY_ID", creds.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", creds.SecretAccessKey.Reveal())
	t.Setenv("AWS_SESSION_TOKEN", creds.SessionToken.Reveal())
	t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "my-function")
	return creds
}

func TestLambda(t *testing.T) {
	machine := newMachine(t)
	machine.function(t)
	client := functionClient()
	functionRole(t, machine, client)
	for range 3 { // invocations
		require.Equal(t, machine.session("my-function"), machine.signer(t, client))
	}
	require.Equal(t, 2, machine.sts.Count("AssumeRole"), "one for the execution role, and one here")
}

func TestLambdaErrors(t *testing.T) {
	machine := newMachine(t)
	machine.sts.AllowRefusals("AccessDenied", "InvalidClientTokenId")
	var failed failures
	call := func() { failed.of(t, functionRole(t, machine, functionClient())) }
	call()

	machine.function(t)
	t.Setenv("AWS_SESSION_TOKEN", "")
	call()

	machine.function(t)
	machine.sts.AddRole(ststest.Role{ARN: backup, Trusted: []string{"210987654321"}})
	call()

	machine.sts.FailNext(ststest.Refuse(http.StatusForbidden, "ExpiredToken", "The security token included in the request is expired"))
	call()
	requireRows(t, "lambda.md", failed...)
}
