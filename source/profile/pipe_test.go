//go:build unix

package profile_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/source/profile"
)

// To open a pipe waits for a writer, and what it brings comes once.
func TestPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	p := &profile.Provider{LookupEnv: env{"AWS_CONFIG_FILE": pipe}.lookup}
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, pipe+" (AWS_CONFIG_FILE): is not a regular file")

	p = &profile.Provider{LookupEnv: env{"AWS_CA_BUNDLE": pipe}.lookup, Home: t.TempDir()}
	_, err = p.Client(t.Context(), nil)
	require.ErrorContains(t, err, "ca_bundle "+pipe+": is not a regular file")
}
