package bench_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/source"
)

// BenchmarkColdStartDefault is the same way for a program that does not know that its
// keys are in the environment: without shared files, and on a machine whose config
// file has a thousand profiles, which the SDK reads in any case and the default chain does not.
func BenchmarkColdStartDefault(b *testing.B) {
	for _, profiles := range []int{0, 1000} {
		b.Run(fmt.Sprintf("profiles=%d", profiles), func(b *testing.B) { compare(b, coldStartDefault(b, profiles)) })
	}
}

func coldStartDefault(tb testing.TB, profiles int) []work {
	var sdk work
	for _, w := range coldStart(tb) {
		if w.impl == "aws" {
			sdk = w
		}
	}
	file := filepath.Join(tb.TempDir(), "config")
	var config strings.Builder
	for i := range profiles {
		fmt.Fprintf(&config, "[profile p%d]\nregion = eu-west-1\nrole_arn = %s\nsource_profile = p0\n", i, roleARN)
	}
	require.NoError(tb, os.WriteFile(file, []byte(config.String()), 0o600))
	tb.Setenv("AWS_CONFIG_FILE", file) // the SDK looks at HOME only when the program starts
	tb.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	return []work{
		{"stschain", func() error {
			creds, err := stschain.Cached(&source.Default{}).Retrieve(context.Background())
			return check(creds.AccessKeyID == accessKeyID, err)
		}},
		sdk,
	}
}

// With files that the SDK reads, at most a tenth of what it allocates; without, not more.
func TestColdStartDefault(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates for itself: run the tests of this module without -race too")
	}
	for _, test := range []struct{ profiles, times int }{{0, 1}, {1000, 10}} {
		t.Run(fmt.Sprintf("profiles=%d", test.profiles), func(t *testing.T) {
			counts := allocations(t, coldStartDefault(t, test.profiles))
			t.Log(counts)
			require.LessOrEqual(t, counts["stschain"]*test.times, counts["aws"])
		})
	}
}
