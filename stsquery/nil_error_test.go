package stsquery_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// A nil *Error that somebody returned as an error is a mistake, and what looks into it survives.
func TestNilError(t *testing.T) {
	var err error = (*stsquery.Error)(nil)
	require.NotErrorIs(t, err, stschain.ErrPermanent)
	require.NoError(t, errors.Unwrap(err))
}

// A DTD is refused wherever it stands: STS never sends one.
func TestDTDInside(t *testing.T) {
	for _, body := range []string{`<!DOCTYPE x><a/>`, `<a><!ENTITY x "y"></a>`, `<ErrorResponse><Error><!DOCTYPE x></Error></ErrorResponse>`} {
		_, _, err := stsquery.DecodeFault([]byte(body))
		require.ErrorContains(t, err, "a DTD, which STS never sends", body)
	}
}
