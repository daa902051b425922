package leak_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestLeft(t *testing.T) {
	require.Empty(t, leak.Left(time.Second))
	stop := make(chan struct{})
	go func() { <-stop }()
	left := leak.Left(50 * time.Millisecond)
	require.Len(t, left, 1)
	require.Contains(t, left[0], "leak_test.TestLeft")
	require.Equal(t, 2, leak.Check(2), "tests that fail have failed for their own reason")
	close(stop)
	require.Empty(t, leak.Left(10*time.Second))
}
