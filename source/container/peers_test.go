package container_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/source/container"
)

// A token, from wherever it comes, makes no host trusted: it is not sent there.
// Seen in minio-go and VictoriaMetrics.
func TestTokenOpensNoOtherHost(t *testing.T) {
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		t.Errorf("request to %s", r.URL)
		return nil, errors.New("no")
	})}
	for name, vars := range map[string][]string{
		"a file":     {tokenFile + "token"},
		"a variable": {tokenIs + token},
		"both":       {tokenFile + "token", tokenIs + token},
	} {
		for _, uri := range []string{"http://169.254.169.254/latest/", "http://10.0.0.1/", "http://evil.example/"} {
			t.Run(name+" "+uri, func(t *testing.T) {
				p := &container.Provider{
					LookupEnv: from(append(vars, full+uri)...), Resolve: addresses("192.0.2.1"), HTTPClient: client,
					Open: fstest.MapFS{"token": {Data: []byte(token)}}.Open,
				}
				_, err := p.Retrieve(t.Context())
				require.ErrorIs(t, err, stschain.ErrPermanent)
				canary.Check(t, token, err)
			})
		}
	}
}

// The file that is read is the one that the variable of the file names, and not a token in
// another variable.
// Seen in minio-go v7.4.1.
func TestTokenFileIsTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("in the file"), 0o600))
	var sent []string
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.Header.Get("Authorization"))
		return reply(200, document), nil
	})}
	for _, uri := range []string{relative + "/x", full + "http://169.254.170.23/v1/credentials"} {
		for _, vars := range [][]string{{tokenFile + path}, {tokenFile + path, tokenIs + "in the variable"}, {tokenIs + path}} {
			_, err := (&container.Provider{LookupEnv: from(append(vars, uri)...), HTTPClient: client}).Retrieve(t.Context())
			require.NoError(t, err)
		}
	}
	require.Equal(t, []string{"in the file", "in the file", path, "in the file", "in the file", path}, sent)
}
