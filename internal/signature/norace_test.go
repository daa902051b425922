//go:build !race

package signature_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/signature"
)

// A signature is made in memory that was used before, up to 64 KiB of it, and only the result is allocated. With the race
// detector a sync.Pool drops some of what it is given.
func TestSpacesAreUsedAgain(t *testing.T) {
	var keys signature.Keys
	key, err := keys.Get(credentials("AKID", "secret", "token"), scope, at)
	require.NoError(t, err)
	for _, test := range []struct {
		header, before int // bytes of a header, and of the URL up to its query
		again          bool
	}{{10, 10, true}, {60_000, 10, true}, {10, 60_000, true}, {100_000, 10, false}, {10, 100_000, false}} {
		before := "https://h/" + strings.Repeat("b", test.before)
		r := &signature.Request{Method: "GET", Payload: "p", Header: []signature.Field{{Name: "a", Values: []string{strings.Repeat("v", test.header)}}}}
		presigned := testing.AllocsPerRun(100, func() { key.PresignedURL(before, r, date, signature.Presigning{Seconds: 1}) })
		require.Equal(t, test.again, presigned == 1, "%+v: %v allocations", test, presigned)
		if test.before < 100 {
			authorization := testing.AllocsPerRun(100, func() { key.Authorization(r, date) })
			require.Equal(t, test.again, authorization == 1, "%+v: %v allocations", test, authorization)
		}
	}
}
