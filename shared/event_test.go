package shared_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/shared"
)

func TestEventKindString(t *testing.T) {
	for kind, want := range map[shared.EventKind]string{
		-1:                   "EventKind(-1)",
		0:                    "EventKind(0)",
		shared.Loaded:        "loaded",
		shared.Refreshed:     "refreshed",
		shared.RefreshFailed: "refresh failed",
		shared.Direct:        "direct",
		shared.Unusable:      "unusable",
		shared.StoreFailed:   "store failed",
		shared.Revoked:       "revoked",
		shared.Revoked + 1:   "EventKind(8)",
	} {
		require.Equal(t, want, kind.String())
	}
}
