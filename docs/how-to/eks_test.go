package howto_test

import (
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/source/container"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

func podClient() *http.Client {
	creds := &stschain.Cache{Provider: &source.Default{}, OnEvent: stschain.LogEvents(slog.Default())}
	return &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: os.Getenv("AWS_REGION"), Credentials: creds}}
}

func irsaOnly() *stschain.Cache {
	return &stschain.Cache{Provider: &webidentity.FromEnv{}}
}

func podIdentityOnly() *stschain.Cache {
	return &stschain.Cache{Provider: &container.Provider{}}
}

func TestEKS(t *testing.T) {
	machine := newMachine(t)
	machine.pod(t, "system:serviceaccount:jobs:backup")
	require.Equal(t, machine.session("pod"), machine.signer(t, podClient()))
	role, ok := irsaOnly().Provider.(*webidentity.FromEnv)
	require.True(t, ok)
	require.Equal(t, "webidentity from the environment", role.String())

	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "")
	machine.agent(t, "AWS_CONTAINER_CREDENTIALS_FULL_URI")
	require.Equal(t, machine.session("agent"), machine.signer(t, podClient()))
	_, err := podIdentityOnly().Retrieve(t.Context())
	require.NoError(t, err)
}

func TestEKSErrors(t *testing.T) {
	machine := newMachine(t)
	machine.sts.AllowRefusals("AccessDenied", "InvalidIdentityToken")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	var failed failures
	failed.of(t, &source.Default{}) // no service account with a role

	machine.pod(t, "system:serviceaccount:jobs:other")
	failed.of(t, &source.Default{})
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", writeFile(t, "token", ststest.NewIssuer("https://oidc.eks.eu-west-1.amazonaws.com/id/OTHER").Token(nil).Reveal()))
	failed.of(t, &source.Default{})
	failed.of(t, &webidentity.FromEnv{Open: func(string) (fs.File, error) { return nil, fs.ErrPermission }})
	t.Setenv("AWS_REGION", "")
	failed.of(t, &webidentity.FromEnv{})

	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")
	for _, refuse := range []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Service account token cannot be parsed: token is malformed", http.StatusBadRequest)
		},
		func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Unauthorized Exception! EKS does not have permissions to assume the associated role.", http.StatusForbidden)
		},
	} {
		failed.of(t, &container.Provider{HTTPClient: &http.Client{Transport: ststest.InProcess(refuse)}})
	}
	failed.of(t, &container.Provider{HTTPClient: &http.Client{Transport: unreachable{}}, MaxAttempts: 1})
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nonexistent")
	failed.of(t, &container.Provider{})
	requireRows(t, "eks.md", failed...)
}

// unreachable is a network in which nothing listens.
type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &os.SyscallError{Syscall: "connect", Err: syscall.ECONNREFUSED}
}
