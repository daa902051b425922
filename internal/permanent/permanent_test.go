package permanent_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/permanent"
)

func TestErrorf(t *testing.T) {
	err := permanent.Errorf("%s is missing", "Client")
	require.EqualError(t, err, "Client is missing")
	require.ErrorIs(t, fmt.Errorf("sessiontoken: %w", err), stschain.ErrPermanent)
	require.NotErrorIs(t, err, stschain.ErrUnavailable)
	require.Equal(t, err, permanent.Errorf("Client is missing"), "it compares by its text")
}
