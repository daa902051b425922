package redact_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
)

func TestText(t *testing.T) {
	const secret = "canary-4711-token"
	for text, want := range map[string]string{
		"access\r\n denied":             "access denied",
		"the token " + secret:           redact.Withheld,
		"the token y-4711-token":        redact.Withheld,
		"the token canary-\n4711-token": redact.Withheld,
		"the token canary-4711":         "the token canary-4711",
	} {
		require.Equal(t, want, redact.Text(text, []stschain.Secret{stschain.NewSecret(secret)}), text)
	}
	require.EqualError(t, redact.Error(errors.New("reset"), []stschain.Secret{{}}), "reset")
}
