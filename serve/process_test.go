package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/serve"
)

// printed returns what WriteProcess writes.
func printed(t *testing.T, p stschain.Provider) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := serve.WriteProcess(t.Context(), &out, p)
	if err != nil {
		require.Zero(t, out.Len(), "nothing is written")
		canary.Check(t, secret, err)
	}
	return out.String(), err
}

func TestWriteProcess(t *testing.T) {
	c := session()
	c.Expires = time.Date(2999, 11, 21, 18, 0, 0, 999, time.FixedZone("", 3600))
	out, err := printed(t, providing(c))
	require.NoError(t, err)
	require.Equal(t, `{"Version":1,"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"`+secret+`","SessionToken":"session+`+secret+
		`","Expiration":"2999-11-21T17:00:00Z","AccountId":"123456789012"}`+"\n", out)

	out, err = printed(t, stschain.Static("AKIDEXAMPLE", "<"+secret+">&", ""))
	require.NoError(t, err)
	require.Equal(t, `{"Version":1,"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"<`+secret+`>&"}`+"\n", out)
}

func TestWriteProcessFails(t *testing.T) {
	expired, incomplete, cut := session(), session(), session()
	cut.SessionToken, cut.AccountID, cut.Expires = stschain.NewSecret("\xc3"), "\xa4", time.Time{} // a character if they are joined
	expired.Expires = time.Now().Add(-time.Second)
	incomplete.AccessKeyID = ""
	for want, p := range map[string]stschain.Provider{
		"serve: WriteProcess needs a provider": nil,
		"expired at":                           providing(expired),
		"no access key ID":                     providing(incomplete),
		"bytes that are not valid in JSON":     providing(cut),
		"serve: source down":                   stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return session(), errors.New("source down") }),
		"panicked":                             stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { panic("x") }),
	} {
		_, err := printed(t, p)
		require.ErrorContains(t, err, want)
	}
	_, err := printed(t, stschain.Static("", "", ""))
	require.EqualError(t, err, "serve: stschain: static credentials are empty")
	_, err = printed(t, stschain.NewChain(stschain.Static("", "", "")))
	chain, ok := errors.AsType[*stschain.ChainError](err)
	require.True(t, ok && chain.Unavailable(), "nothing is configured")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, serve.WriteProcess(ctx, io.Discard, stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		<-ctx.Done()
		return stschain.Credentials{}, ctx.Err()
	})), context.Canceled)
}

// Expired credentials of a Cache are not written.
func TestWriteProcessStale(t *testing.T) {
	c := session()
	c.Expires = time.Now().Add(-time.Hour)
	past := at(c.Expires.Add(-time.Minute)) // the cache's clock: they are valid
	_, err := printed(t, &stschain.Cache{Provider: providing(c), Clock: past})
	require.ErrorContains(t, err, "serve: the credentials of test expired at")
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWriteProcessCannotWrite(t *testing.T) {
	err := serve.WriteProcess(t.Context(), full{}, stschain.Static("AKIDEXAMPLE", secret, ""))
	require.ErrorIs(t, err, io.ErrShortWrite)
	canary.Check(t, secret, err, fmt.Sprint(err))
}
