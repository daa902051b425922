package stsquery_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// A token that is fixed is sent again where STS may have failed to check it, and
// not where it has expired.
func TestFixedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const operation = "AssumeRoleWithWebIdentity"
		c, s := scripted(fault(400, "InvalidIdentityTokenException"), fault(400, "IDPCommunicationError"), result(operation, whole[operation].answer))
		_, err := c.AssumeRoleWithWebIdentity(t.Context(), webInput)
		require.NoError(t, err)
		require.Equal(t, s.bodies[0], s.bodies[2])

		c, s = scripted(fault(400, "ExpiredTokenException"), ok)
		_, err = c.AssumeRoleWithWebIdentity(t.Context(), webInput)
		require.ErrorContains(t, err, "the web identity token has expired")
		require.Len(t, s.bodies, 1)
	})
}

// An assertion that has expired is not sent again: there is no other one.
func TestExpiredAssertion(t *testing.T) {
	c, s := scripted(step{status: 400, body: stsError("ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance")}, ok)
	_, err := c.AssumeRoleWithSAML(t.Context(), samlInput)
	require.ErrorContains(t, err, "five minutes")
	require.Len(t, s.bodies, 1)
}

// A source that fails ends the call, before anything is sent or after.
func TestTokenFails(t *testing.T) {
	broken := errors.New("no such file")
	fails := func(err error) func(context.Context) (stschain.Secret, error) {
		return func(context.Context) (stschain.Secret, error) { return stschain.Secret{}, err }
	}
	in := webInput
	in.WebIdentityToken = stschain.Secret{}
	for name, test := range map[string]struct {
		token func(context.Context) (stschain.Secret, error)
		want  string
	}{
		"error":       {fails(broken), "no web identity token: no such file"},
		"unavailable": {fails(stschain.Unavailable("not in a cluster")), "not in a cluster"},
		"empty":       {fails(nil), "Token returned an empty one"},
		"too long":    {tokens(strings.Repeat("hunter4711", 2001)), "WebIdentityToken is a secret of 20010 characters, and 4 to 20000 are allowed"},
		"newline":     {tokens("hunter4711\n"), "WebIdentityToken is a secret, with control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			in.Token = test.token
			c, s := scripted(ok)
			_, err := c.AssumeRoleWithWebIdentity(t.Context(), in)
			require.ErrorContains(t, err, test.want)
			require.False(t, stschain.IsUnavailable(err), "a role without a token is a failed role")
			require.Equal(t, name == "error", errors.Is(err, broken))
			require.Empty(t, s.bodies)
			var e *stsquery.Error
			require.ErrorAs(t, err, &e)
			require.Zero(t, e.Attempts)
			noSecret(t, err, "hunter4711")
		})
	}

	in.Token = tokens("one")
	in.WebIdentityToken = stschain.NewSecret("another")
	c, _ := scripted()
	_, err := c.AssumeRoleWithWebIdentity(t.Context(), in)
	require.ErrorContains(t, err, "WebIdentityToken and Token are both set")
	in.Token, in.WebIdentityToken = nil, stschain.Secret{}
	_, err = c.AssumeRoleWithWebIdentity(t.Context(), in)
	require.ErrorContains(t, err, "WebIdentityToken and Token are missing")
	require.ErrorIs(t, err, stschain.ErrPermanent)
}

// Token gets the caller's context.
func TestTokenContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	in := webInput
	in.WebIdentityToken = stschain.Secret{}
	in.Token = func(ctx context.Context) (stschain.Secret, error) {
		cancel(errors.New("the boss left"))
		<-ctx.Done()
		return stschain.Secret{}, context.Cause(ctx)
	}
	c, s := scripted(ok)
	_, err := c.AssumeRoleWithWebIdentity(ctx, in)
	require.ErrorContains(t, err, "the boss left")
	require.Empty(t, s.bodies)
}
