package size_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/bench/size"

	// What the program is made of, so that go test measures again when it changes.
	_ "github.com/stschain-go/stschain/assumerole"
	_ "github.com/stschain-go/stschain/source/env"
)

// TestProgramThatAssumesARole: what stschain adds to a program that speaks HTTP
// and XML already.
func TestProgramThatAssumesARole(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to build programs with")
	}
	plain, err := size.Build(t.Context(), "plain")
	require.NoError(t, err)
	require.Empty(t, plain.Modules)
	ours, err := size.Build(t.Context(), "stschain")
	require.NoError(t, err)
	require.Equal(t, []string{"golang.org/x/sync"}, ours.Modules)
	t.Logf("%d bytes over the %d of the plain program", ours.Bytes-plain.Bytes, plain.Bytes)
	// The goal is 250 kB. What is left beyond it is code that the features need, see
	// README; this bound keeps it from growing unseen.
	require.LessOrEqual(t, ours.Bytes-plain.Bytes, int64(350_000))
}
