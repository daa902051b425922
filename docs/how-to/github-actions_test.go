package howto_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

// job is one of GitHub Actions whose tokens have that subject.
func (m *machine) job(t *testing.T, issuer *ststest.Issuer, subject string) {
	t.Helper()
	const requestToken = "canary/github-request-token"
	runner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+requestToken {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		token := issuer.Token(map[string]any{"sub": subject, "aud": r.URL.Query().Get("audience")})
		json.NewEncoder(w).Encode(map[string]string{"value": token.Reveal()})
	}))
	t.Cleanup(runner.Close)
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", runner.URL+"/token?api-version=2.0")
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", requestToken)
	t.Setenv("GITHUB_RUN_ID", "4711")
}

func TestGitHubActions(t *testing.T) {
	machine := newMachine(t)
	machine.job(t, machine.sts.Issuer(), "repo:octo/tools:ref:refs/heads/main")

	role := &webidentity.Provider{
		Client:      &stsquery.Client{Region: "eu-west-1"},
		RoleARN:     "arn:aws:iam::123456789012:role/backup",
		SessionName: "run-" + os.Getenv("GITHUB_RUN_ID"),
		Token:       new(webidentity.GitHubActions).Token,
	}
	creds := &stschain.Cache{Provider: role, OnEvent: stschain.LogEvents(slog.Default())}
	client := &http.Client{Transport: &sigv4.Transport{Service: "s3", Region: "eu-west-1", Credentials: creds}}

	role.Client.HTTPClient = machine.sts.Client()
	require.Equal(t, machine.session("run-4711"), machine.signer(t, client))

	t.Setenv("GITHUB_ACTIONS", "true")
	var provider stschain.Provider = &source.Default{}
	if os.Getenv("GITHUB_ACTIONS") == "true" {
		provider = role
	}
	require.Same(t, role, provider)
}

func TestGitHubActionsErrors(t *testing.T) {
	machine := newMachine(t)
	machine.sts.AllowRefusals("AccessDenied", "InvalidIdentityToken", "ValidationError")
	var failed failures
	role := &webidentity.Provider{
		Client:      &stsquery.Client{Region: "eu-west-1", HTTPClient: machine.sts.Client()},
		RoleARN:     backup,
		SessionName: "run",
		Token:       new(webidentity.GitHubActions).Token,
	}
	failed.of(t, role)
	machine.job(t, machine.sts.Issuer(), "repo:octo/tools:pull_request")
	failed.of(t, role)
	machine.job(t, ststest.NewIssuer("https://token.actions.githubusercontent.com"), "repo:octo/tools:ref:refs/heads/main")
	failed.of(t, role)
	machine.job(t, machine.sts.Issuer(), "repo:octo/tools:ref:refs/heads/main")
	machine.sts.AddRole(ststest.Role{ARN: backup, MaxDuration: time.Hour})
	role.Duration = 2 * time.Hour
	failed.of(t, role)
	requireRows(t, "github-actions.md", failed...)
}
