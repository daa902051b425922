package process_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/source/process"
)

// TestConformance runs the outputs of aws-sdk-go-v2.
func TestConformance(t *testing.T) {
	dir := filepath.Join(conformance.Dir(t), "files", "process")
	for file, want := range map[string]struct{ id, account, err string }{
		"static.json":           {id: "accesskey"},
		"accountid.json":        {id: "accesskey", account: "012345678901"},
		"longsessiontoken.json": {id: "AKIAIOSFODNN7EXAMPLE"},
		"malformed.json":        {err: "it is not a JSON object"},
		"missingkey.json":       {err: "it has no AccessKeyId"},
		"missingsecret.json":    {err: "it has no SecretAccessKey"},
		"wrongversion.json":     {err: "Version is missing or not 1"},
	} {
		t.Run("process-files/"+file, func(t *testing.T) {
			content, err := os.ReadFile(filepath.Join(dir, file))
			require.NoError(t, err)
			p := &process.Provider{Command: "helper", Run: func(context.Context, string) ([]byte, error) { return content, nil }}
			got, err := p.Retrieve(t.Context())
			if want.err != "" {
				require.ErrorContains(t, err, want.err)
				require.Equal(t, stschain.Credentials{}, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want.id, got.AccessKeyID)
			require.Equal(t, want.account, got.AccountID)
			require.False(t, got.SecretAccessKey.IsZero())
			require.Equal(t, file != "longsessiontoken.json", got.SessionToken.IsZero())
			require.Equal(t, file != "longsessiontoken.json", got.Expires.IsZero())
		})
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 7)
}
