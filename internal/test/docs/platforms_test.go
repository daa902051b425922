package docs_test

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/internal/test/metadata"
	"github.com/stschain-go/stschain/serve"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const backup = "arn:aws:iam::123456789012:role/backup"

// region is the environment of a program in a region with an STS.
func region(t *testing.T, s *shell) *ststest.Server {
	t.Helper()
	server := ststest.NewTest(t)
	s.env = append(s.env, "AWS_REGION=eu-west-1", "AWS_ENDPOINT_URL_STS="+server.URL())
	return server
}

// backupOf returns the credentials that an agent gets for the role.
func backupOf(server *ststest.Server) *assumerole.Provider {
	return &assumerole.Provider{
		Client:  &stsquery.Client{Credentials: server.User(), Region: "eu-west-1", HTTPClient: server.Client()},
		RoleARN: backup, SessionName: "agent",
	}
}

// pod is one of EKS whose service account has the role.
func pod(t *testing.T, s *shell) {
	server := region(t, s)
	s.write(t, "token", server.Issuer().Token(map[string]any{"sub": "system:serviceaccount:jobs:backup"}).Reveal())
	s.env = append(s.env, "AWS_ROLE_ARN="+backup, "AWS_WEB_IDENTITY_TOKEN_FILE="+s.home+"/token")
}

// task is one of ECS with the role.
func task(t *testing.T, s *shell) {
	server, token := region(t, s), serve.NewToken()
	agent := httptest.NewServer(&serve.Handler{Credentials: backupOf(server), Token: token})
	t.Cleanup(agent.Close)
	s.env = append(s.env, "AWS_CONTAINER_CREDENTIALS_FULL_URI="+agent.URL, "AWS_CONTAINER_AUTHORIZATION_TOKEN="+token.Reveal())
}

// instance is one of EC2 with the role.
func instance(t *testing.T, s *shell) {
	creds, err := backupOf(region(t, s)).Retrieve(t.Context())
	require.NoError(t, err)
	s.env = append(s.env, "AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT="+metadata.NewServer(t, "backup", creds))
}
