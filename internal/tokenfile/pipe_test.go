//go:build unix

package tokenfile_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/tokenfile"
)

// To open a pipe waits for a writer.
func TestPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "x.json")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, err := tokenfile.Read(t.Context(), pipe, nil)
	require.EqualError(t, err, "it is no regular file")
}
