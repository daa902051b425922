package tokenfile_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/tokenfile"
)

func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turn tokenfile.Turn
		release, err := turn.Take(t.Context())
		require.NoError(t, err)

		late := errors.New("late")
		bounded, cancel := context.WithTimeoutCause(t.Context(), time.Minute, late)
		defer cancel()
		began := time.Now()
		_, err = turn.Take(bounded)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, late)
		require.ErrorContains(t, err, "another caller refreshes it: ")
		require.Equal(t, time.Minute, time.Since(began))

		got := make(chan error)
		for range 2 {
			go func() {
				release, err := turn.Take(t.Context())
				if err == nil {
					release()
				}
				got <- err
			}()
		}
		synctest.Wait()
		require.Empty(t, got)
		release()
		require.NoError(t, <-got)
		require.NoError(t, <-got)
	})
}
