package credjson_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/test/canary"
)

const secret = "wJalrXUtnFEMI/hunter4711+KEY"

func TestParse(t *testing.T) {
	doc, err := credjson.Parse([]byte(`{"Version": 1,"accesskeyid":"A","SecretAccessKey":"`+secret+`","Token":"t","SessionToken":"not this"}`), "Token")
	require.NoError(t, err)
	require.Equal(t, "1", doc.Version)
	got, err := doc.Credentials("a test")
	require.NoError(t, err)
	require.Equal(t, stschain.Credentials{AccessKeyID: "A", SecretAccessKey: stschain.NewSecret(secret), SessionToken: stschain.NewSecret("t"), Origin: "a test"}, got)
	canary.Check(t, secret, doc)
}

func TestRefusal(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                              "",
		`{"Code":"X"}`:                    "X",
		`{"message":"m"}`:                 "m",
		`{"code":"X","MESSAGE":"a\r\nb"}`: "X: a b",
		`{"code":"X","message":"` + strings.Repeat("ä", 400) + `"}`:                  "X: " + strings.Repeat("ä", 254) + " ...",
		`{"code":"X","message":"the token t0ken"}`:                                   "a message that is not shown, since it holds a secret",
		`{"code":"X","message":"` + secret + `","secretaccesskey":"` + secret + `"}`: "a message that is not shown, since it holds a secret",
	} {
		doc, err := credjson.Parse([]byte(body), "Token")
		require.NoError(t, err)
		require.Equal(t, want, doc.Refusal(stschain.NewSecret("t0ken"), stschain.Secret{}))
	}
}

func TestIsAccount(t *testing.T) {
	for account, want := range map[string]bool{"012345678901": true, "": false, "12345678901": false, "1234567890123": false, "12345678901x": false, "١٢٣٤٥٦": false} {
		require.Equal(t, want, credjson.IsAccount(account), account)
	}
}
