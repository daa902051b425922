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

func TestMalformed(t *testing.T) {
	for value, want := range map[string][2]string{
		"":         {},
		"AKID+/~":  {},
		"AKID\r\n": {"the key contains white space; trim it where it is read", "the key contains white space; trim it where it is read"},
		"AK\u2028": {"the key contains white space; trim it where it is read", "the key contains white space; trim it where it is read"},
		"AK\x7fID": {"the key contains a control character; copy it again", "the key contains a control character; copy it again"},
		"AKIDÉ":    {"", "the key contains a character beyond ASCII, which no access key ID has; copy it again"},
	} {
		for i, err := range []error{redact.Malformed("the key", value), redact.MalformedID("the key", value)} {
			if want[i] == "" {
				require.NoError(t, err, "%q", value)
			} else {
				require.EqualError(t, err, want[i], "%q", value)
			}
		}
	}
}
