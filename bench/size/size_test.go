package size_test

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/bench"
	"github.com/stschain-go/stschain/bench/size"

	// What the program is made of, so that go test measures again when it changes.
	_ "github.com/stschain-go/stschain/adapter/valkeystore"
	_ "github.com/stschain-go/stschain/assumerole"
	_ "github.com/stschain-go/stschain/source"
)

// TestProgramThatAssumesARole: what stschain adds to a program that speaks HTTP
// and XML already.
// Reports: aws-sdk-go-v2#2930, datadog-agent#53043, xk6-output-prometheus-remote#161.
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
	requireSize(t, plain, ours)
}

// TestProgramOnTheDefaultChain: what it adds with everything in it, profiles, SSO and
// instances.
func TestProgramOnTheDefaultChain(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to build programs with")
	}
	plain, err := size.Build(t.Context(), "plain")
	require.NoError(t, err)
	ours, err := size.Build(t.Context(), "stschaindefault")
	require.NoError(t, err)
	require.Equal(t, []string{"golang.org/x/sync", "gopkg.in/ini.v1"}, ours.Modules)
	requireSize(t, plain, ours)
}

// requireSize compares a program with the table of the guard.
func requireSize(t *testing.T, plain, ours size.Program) {
	over, want := ours.Content-plain.Content, bench.Sizes[ours.Name]
	t.Logf("%d bytes over the %d of the plain program, in the file %d", over, plain.Content, ours.Bytes-plain.Bytes)
	if !strings.HasPrefix(runtime.Version(), bench.ExpectedWith) {
		t.Skipf("%s: sizes are those of %s", runtime.Version(), bench.ExpectedWith)
	}
	require.LessOrEqual(t, float64(over), bench.SizeSlack*float64(want),
		"%d bytes more than the plain program, want %d: if the change is worth it, edit bench/expected.go", over, want)
}

// TestProgramThatShares: what it adds with valkeystore, and so valkey-go.
func TestProgramThatShares(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to build programs with")
	}
	plain, err := size.Build(t.Context(), "plain")
	require.NoError(t, err)
	ours, err := size.Build(t.Context(), "valkeystore")
	require.NoError(t, err)
	require.Equal(t, []string{"github.com/valkey-io/valkey-go", "golang.org/x/sync", "golang.org/x/sys"}, ours.Modules)
	requireSize(t, plain, ours)
}
