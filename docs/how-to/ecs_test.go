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
	"github.com/stschain-go/stschain/source/container"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

func taskClient() *http.Client {
	creds := &stschain.Cache{Provider: &container.Provider{}, OnEvent: stschain.LogEvents(slog.Default())}
	return &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: os.Getenv("AWS_REGION"), Credentials: creds}}
}

func TestECS(t *testing.T) {
	machine := newMachine(t)
	machine.agent(t, "AWS_CONTAINER_CREDENTIALS_FULL_URI") // the relative one is always at 169.254.170.2
	require.Equal(t, machine.session("agent"), machine.signer(t, taskClient()))

	role := &assumerole.Provider{
		Client:  &stsquery.Client{Credentials: &container.Provider{}, Region: os.Getenv("AWS_REGION")},
		RoleARN: "arn:aws:iam::210987654321:role/archive",
	}
	role.Client.HTTPClient = machine.sts.Client()
	creds, err := role.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "210987654321", creds.AccountID)
}

func TestECSErrors(t *testing.T) {
	machine := newMachine(t)
	machine.sts.AllowRefusals("AccessDenied")
	var failed failures
	failed.of(t, &container.Provider{})

	t.Setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/0a1b2c3d")
	agent := func(status int, code string) *container.Provider {
		refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"code":"`+code+`","message":"Credentials not found"}`, status)
		})
		return &container.Provider{HTTPClient: &http.Client{Transport: ststest.InProcess(refuse)}, MaxAttempts: 1}
	}
	failed.of(t, agent(http.StatusBadRequest, "InvalidIdInRequest"))
	failed.of(t, agent(http.StatusInternalServerError, "CredentialsUninitialized"))
	failed.of(t, &container.Provider{HTTPClient: &http.Client{Transport: unreachable{}}, MaxAttempts: 1})

	machine.sts.AddRole(ststest.Role{ARN: "arn:aws:iam::210987654321:role/archive", Trusted: []string{"210987654321"}})
	role := machine.role("agent")
	role.RoleARN = "arn:aws:iam::210987654321:role/archive"
	failed.of(t, role)
	requireRows(t, "ecs.md", failed...)
}
