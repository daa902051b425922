package bench_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// TestAllocations holds what does not depend on the machine to its bounds.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates for itself: run the tests of this module without -race too")
	}
	c := stschain.Cached(ourSource())
	hit := []work{{"stschain", func() error { _, err := c.Retrieve(context.Background()); return err }}}
	for _, tt := range []struct {
		name  string
		works []work
		most  int
		over  string // the implementation that most is counted from; empty: none
	}{
		{"cache hit", hit, 0, ""},
		{"sign AssumeRole", signAssumeRole(t, sessionToken), 10, ""},
		{"presign GetCallerIdentity", presignGetCallerIdentity(sessionToken), 40, ""},
		{"AssumeRole over loopback", assumeRole(t), 283, ""},
		{"Transport", overNothing(), 12, "plain"},
		{"Transport over loopback", overLoopback(t), 12, "plain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			counts := allocations(t, tt.works)
			t.Log(counts)
			require.LessOrEqual(t, counts["stschain"], counts[tt.over]+tt.most)
		})
	}
}
