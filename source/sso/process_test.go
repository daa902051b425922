package sso_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/source/sso"
)

// process is the variable that makes the test binary a program that retrieves credentials
// once, at an endpoint and with a folder: "URL dir".
const process = "STSCHAIN_TEST_SSO_PROCESS"

func retrieveInProcess(at string) error {
	endpoint, dir, _ := strings.Cut(at, " ")
	p := &sso.Provider{
		Session: "work", StartURL: startURL, Region: "eu-west-1", AccountID: "123456789012", RoleName: "Developer",
		CacheDir: dir, PortalEndpoint: endpoint, OIDCEndpoint: endpoint,
	}
	creds, err := p.Retrieve(context.Background())
	if err == nil && creds.AccessKeyID != "ASIAROLE" {
		err = errors.New("these are the credentials of another user: " + creds.AccessKeyID)
	}
	return err
}

// Of processes that find the same token expired one refreshes it, and the file that it
// writes has all that was in it.
func TestProcesses(t *testing.T) {
	const processes = 4
	service := &service{t: t, now: time.Now, valid: access, refresh: refreshToken, life: time.Hour, rotate: true}
	srv := httptest.NewServer(service)
	defer srv.Close()
	w := &world{file: filepath.Join(t.TempDir(), fileOfSession)}
	before := with(document(time.Now().Add(-time.Minute)), object{"registrationExpiresAt": "2099-01-01T00:00:00Z"})
	w.write(t, before)

	var programs [processes]*exec.Cmd
	var printed [processes]strings.Builder
	for i := range programs {
		programs[i] = exec.CommandContext(t.Context(), os.Args[0])
		programs[i].Env = []string{process + "=" + srv.URL + " " + filepath.Dir(w.file), "SystemRoot=" + os.Getenv("SystemRoot")}
		programs[i].Stdout, programs[i].Stderr = &printed[i], &printed[i]
		require.NoError(t, programs[i].Start())
	}
	for i := range programs {
		require.NoError(t, programs[i].Wait(), printed[i].String())
	}
	sent := map[string]int{}
	for _, what := range service.requests() {
		sent[what[strings.Index(what, "/"):]]++
	}
	require.Equal(t, map[string]int{"/token": 1, "/federation/credentials": processes}, sent)

	after := w.read(t)
	expires, err := time.Parse(time.RFC3339, after["expiresAt"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), expires, time.Minute)
	want, err := json.Marshal(with(before, object{"accessToken": renewed, "refreshToken": refreshToken + "+", "expiresAt": after["expiresAt"]}))
	require.NoError(t, err)
	got, err := json.Marshal(after)
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(got))
}
