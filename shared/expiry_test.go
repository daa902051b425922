package shared_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/shared/storetest"
)

// Credentials that never expire are valid for as long as required, even if the store and the provider fail. Meanwhile the
// provider is called without a wait.
func TestNeverExpires(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.fault = always(storetest.Down)
		w.source = func(_ context.Context, n int) (stschain.Credentials, error) {
			creds := w.credentials(n)
			if creds.Expires = (time.Time{}); n > 2 {
				return stschain.Credentials{}, errors.New("503")
			}
			return creds, nil
		}
		p := w.process()
		require.Equal(t, "ASIA1", w.get(p))
		began := time.Now()
		require.Equal(t, "ASIA2", w.get(p))
		creds, err := p.RetrieveFor(t.Context(), 48*time.Hour)
		require.NoError(t, err)
		require.Equal(t, "ASIA2", creds.AccessKeyID)
		require.Equal(t, 3, w.called())
		require.Zero(t, time.Since(began))
	})
}

// Credentials that expire during an attempt are not those that it returns.
func TestExpiresMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, w *fleet) {
		w.get(w.process())
		after(time.Hour - 100*time.Millisecond)
		w.fault = func(op storetest.Operation) storetest.Fault {
			if op == opLease {
				return storetest.Slow
			}
			return storetest.None
		}
		p := w.process()
		require.Equal(t, "ASIA2", w.get(p), "a failure of the store is not an error")

		w.fault = nil
		after(time.Hour - time.Second)
		w.source = func(context.Context, int) (stschain.Credentials, error) {
			after(2 * time.Second)
			return stschain.Credentials{}, errors.New("503")
		}
		require.EqualError(t, w.fails(p), "shared: 503")
	})
}
