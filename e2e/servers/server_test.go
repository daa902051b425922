// Package servers_test runs the library against real servers.
package servers_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/e2e/realserver"
)

const (
	user     = realserver.User
	password = realserver.Password
	region   = "us-east-1"
)

// do makes a request that must succeed, and returns the body of the response.
func do(t *testing.T, client *http.Client, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, []int{http.StatusOK, http.StatusNoContent}, resp.StatusCode, "%s %s: %s", method, url, got)
	return string(got)
}
