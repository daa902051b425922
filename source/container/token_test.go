package container_test

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/source/container"
)

// The token is read each time; the file goes before the variable.
// Reports: eks-pod-identity-agent#143.
func TestToken(t *testing.T) {
	var sent []string
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.Header.Get("Authorization"))
		return reply(200, document), nil
	})}
	path := filepath.Join(t.TempDir(), "token")
	p := &container.Provider{LookupEnv: from(relative+"/x", tokenFile+path, tokenIs+"other"), HTTPClient: client}
	for _, content := range []string{"first", "Bearer second"} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := p.Retrieve(t.Context())
		require.NoError(t, err)
	}
	p = &container.Provider{LookupEnv: from(relative+"/x", tokenFile+" ", tokenIs+"Basic abc"), HTTPClient: client}
	_, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	p = &container.Provider{LookupEnv: from(relative+"/x", tokenIs+" "), HTTPClient: client}
	_, err = p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"first", "Bearer second", "Basic abc", ""}, sent)
}

// A token that is exchanged while the agent is in trouble is not sent again.
func TestTokenIsExchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := fstest.MapFS{"token": {Data: []byte("old")}}
		var sent []string
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r.Header.Get("Authorization"))
			files["token"].Data = []byte("new")
			return reply(map[string]int{"old": 503, "new": 200}[sent[len(sent)-1]], document), nil
		})}
		_, err := (&container.Provider{LookupEnv: from(relative+"/x", tokenFile+"token"), Open: files.Open, HTTPClient: client}).Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"old", "new"}, sent)
	})
}

func TestRefusesTokens(t *testing.T) {
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		t.Error("the agent gets a request")
		return reply(200, document), nil
	})}
	dir := t.TempDir()
	for content, want := range map[string]string{
		"":                                   "is empty",
		" \n":                                "is empty",
		token + "\n":                         "contains a line break",
		token + "\r":                         "contains a line break",
		token + "\r\nX-Evil: 1":              "contains a line break",
		token + "\x00":                       "contains characters that are not allowed in a header",
		token + "ä":                          "contains characters that are not allowed in a header",
		token + strings.Repeat("x", 200<<10): "exceeds 16384 bytes",
	} {
		path := filepath.Join(dir, "token")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		vars := map[string]string{tokenFile + path: "token file " + path + " of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: " + want}
		if strings.TrimSpace(content) != "" {
			vars[tokenIs+content] = "AWS_CONTAINER_AUTHORIZATION_TOKEN: " + want
		}
		for v, want := range vars {
			_, err := (&container.Provider{LookupEnv: from(relative+"/x", v), HTTPClient: client}).Retrieve(t.Context())
			require.ErrorContains(t, err, want)
			require.False(t, stschain.IsUnavailable(err), "%v", err)
			canary.Check(t, token, err)
		}
	}
	_, err := (&container.Provider{LookupEnv: from(relative+"/x", tokenFile+dir), HTTPClient: client}).Retrieve(t.Context())
	require.ErrorContains(t, err, "is a directory")
	missing := filepath.Join(dir, "missing")
	_, err = (&container.Provider{LookupEnv: from(relative+"/x", tokenFile+missing), HTTPClient: client}).Retrieve(t.Context())
	require.ErrorContains(t, err, "token file "+missing+" of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: ")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.False(t, stschain.IsUnavailable(err), "%v", err)

	// The file system is injected.
	files := fstest.MapFS{"token": {Data: []byte("in\nmemory")}}
	_, err = (&container.Provider{LookupEnv: from(relative+"/x", tokenFile+"token"), Open: files.Open, HTTPClient: client}).Retrieve(t.Context())
	require.ErrorContains(t, err, "line break")
}
