package sigv4_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
)

// What a transport signs with can be explained, and is asked for once.
func TestTransportProviders(t *testing.T) {
	tr := &sigv4.Transport{Service: "s3", Region: "eu-west-1", Base: discard{}, Credentials: stschain.Static("AKID", "s", "")}
	providers := tr.Providers()
	require.Len(t, providers, 1)
	require.False(t, stschain.Explain(t.Context(), providers[0]).Cached)
	resp, err := tr.RoundTrip(newRequest(t, http.MethodGet, "https://example.com/", nil))
	require.NoError(t, err)
	resp.Body.Close()
	x := stschain.Explain(t.Context(), providers[0])
	require.Equal(t, stschain.Succeeded, x.Outcome)
	require.True(t, x.Cached)
	require.EqualValues(t, 1, x.Cache.Attempts)
	require.Empty(t, new(sigv4.Transport).Providers())
}
