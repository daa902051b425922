package howto_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/internal/test/metadata"
	"github.com/stschain-go/stschain/serve"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// machine is where a program of AWS runs: variables of the environment, an agent or metadata service, STS and a bucket.
type machine struct {
	sts *ststest.Server
}

const backup = "arn:aws:iam::123456789012:role/backup"

// newMachine is one in eu-west-1 without credentials.
func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{sts: ststest.NewTest(t)}
	m.sts.AddRole(ststest.Role{ARN: backup, WebIdentity: []ststest.WebIdentityTrust{
		{Subject: "system:serviceaccount:jobs:backup"}, {Subject: "repo:octo/tools:ref:refs/heads/main"},
	}})
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "ACTIONS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ENDPOINT_URL_STS", m.sts.URL())
	return m
}

// pod is one of EKS whose service account has the role.
func (m *machine) pod(t *testing.T, subject string) {
	t.Helper()
	t.Setenv("AWS_ROLE_ARN", backup)
	t.Setenv("AWS_ROLE_SESSION_NAME", "pod")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", writeFile(t, "token", m.sts.Issuer().Token(map[string]any{"sub": subject}).Reveal()))
}

// role returns the role's credentials to agents.
func (m *machine) role(session string) *assumerole.Provider {
	return &assumerole.Provider{
		Client:  &stsquery.Client{Credentials: m.sts.User(), Region: "eu-west-1", HTTPClient: m.sts.Client()},
		RoleARN: backup, SessionName: session,
	}
}

// agent is one of ECS or EKS, whose URL is in that variable.
func (m *machine) agent(t *testing.T, variable string) {
	t.Helper()
	token := serve.NewToken()
	server := httptest.NewServer(&serve.Handler{Credentials: m.role("agent"), Token: token})
	t.Cleanup(server.Close)
	t.Setenv(variable, server.URL+"/v1/credentials")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", writeFile(t, "agent-token", token.Reveal()))
}

// instance is an instance of EC2 with the role.
func (m *machine) instance(t *testing.T) {
	t.Helper()
	creds, err := m.role("i-0a1b2c3d").Retrieve(t.Context())
	require.NoError(t, err)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.NewServer(t, "backup", creds))
}

// session is the ARN of a session of the role.
func (m *machine) session(name string) string {
	return "arn:aws:sts::123456789012:assumed-role/backup/" + name
}

// signer sends a request to a bucket with a client, and returns the ARN of the session that signed it.
func (m *machine) signer(t *testing.T, client *http.Client) string {
	t.Helper()
	transport, ok := client.Transport.(*sigv4.Transport)
	require.True(t, ok)
	transport.Base = ststest.InProcess(m.sts.Protect("s3", "eu-west-1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := ststest.CallerFrom(r.Context())
		io.WriteString(w, caller.ARN)
	})))
	resp, err := client.Get("https://my-bucket.s3.eu-west-1.amazonaws.com/hello.txt")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return strings.TrimSpace(string(body))
}

// failures collects the errors of providers.
type failures []error

func (all *failures) of(t *testing.T, p stschain.Provider) {
	t.Helper()
	_, err := p.Retrieve(t.Context())
	*all = append(*all, err)
}
