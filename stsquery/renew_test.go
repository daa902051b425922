package stsquery_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// tokens returns web identity tokens one after the other, and then an error.
func tokens(list ...string) func(context.Context) (stschain.Secret, error) {
	return func(context.Context) (stschain.Secret, error) {
		if len(list) == 0 {
			return stschain.Secret{}, errors.New("the file is gone")
		}
		token := list[0]
		list = list[1:]
		return stschain.NewSecret(token), nil
	}
}

// A web identity token is read for each attempt. A request that was rejected as expired is sent again only
// with another token, and once.
// Reports: aws-sdk-go-v2#2962, aws-cli#7194, configure-aws-credentials#1848.
func TestRenewedForEachAttempt(t *testing.T) {
	const one, two, three = "first-token", "second-token", "third-token"
	webOK := step{status: 200, body: "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA1</AccessKeyId>" +
		"<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>" +
		"</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"}
	unverified, expired := fault(400, "InvalidIdentityToken"), fault(400, "ExpiredTokenException")
	for name, test := range map[string]struct {
		steps  []step
		tokens []string
		sent   []string
		err    string
	}{
		"once":                        {[]step{webOK}, []string{one}, []string{one}, ""},
		"server error":                {[]step{down, webOK}, []string{one, two}, []string{one, two}, ""},
		"the same is sent again":      {[]step{down, webOK}, []string{one, one}, []string{one, one}, ""},
		"key fetch fails once":        {[]step{unverified, webOK}, []string{one, two}, []string{one, two}, ""},
		"key fetch always fails":      {[]step{unverified, unverified, unverified, webOK}, []string{one, one, one, one}, []string{one, one, one}, "InvalidIdentityToken"},
		"IdP cannot be reached":       {[]step{fault(400, "IDPCommunicationError"), fault(400, "IDPCommunicationError"), webOK}, []string{one, one, one}, []string{one, one, one}, ""},
		"IdP says no":                 {[]step{fault(403, "IDPRejectedClaim"), webOK}, []string{one, two}, []string{one}, "IDPRejectedClaim"},
		"expired, rotated":            {[]step{expired, webOK}, []string{one, two}, []string{one, two}, ""},
		"expired, not rotated":        {[]step{expired, webOK}, []string{one, one}, []string{one}, "ExpiredTokenException"},
		"expired twice":               {[]step{expired, expired, webOK}, []string{one, two, three}, []string{one, two}, "ExpiredTokenException"},
		"expired, not a retry":        {[]step{expired, down, down, webOK}, []string{one, two, two, two}, []string{one, two, two, two}, ""},
		"none to begin with":          {nil, nil, nil, "the file is gone"},
		"none for another attempt":    {[]step{down, webOK}, []string{one}, []string{one}, "the file is gone"},
		"bad one for another attempt": {[]step{down, webOK}, []string{one, "x"}, []string{one}, "WebIdentityToken is a secret of 1 characters"},
		"none to replace the expired": {[]step{expired, webOK}, []string{one}, []string{one}, "the file is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := scripted(test.steps...)
				c.Credentials = touchy{t}
				start := time.Now()
				_, err := c.AssumeRoleWithWebIdentity(t.Context(), stsquery.AssumeRoleWithWebIdentityInput{
					RoleARN: roleInput.RoleARN, RoleSessionName: "session", Token: tokens(test.tokens...),
				})
				var sent []string
				for _, body := range s.bodies {
					form, err := url.ParseQuery(body)
					require.NoError(t, err)
					sent = append(sent, form.Get("WebIdentityToken"))
				}
				require.Equal(t, test.sent, sent)
				if test.err == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, test.err)
				for _, token := range []string{one, two, three} {
					require.NotContains(t, fmt.Sprint(err), token)
				}
				var e *stsquery.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, len(test.sent), e.Attempts)
				if e.Attempts > 0 {
					require.NotEmpty(t, e.StatusCode, "the first failure is reported too")
				}
				require.Less(t, time.Since(start), time.Second)
			})
		})
	}
}

// InvalidIdentityToken passes for web identities and for nothing else, and is
// permanent after the last attempt.
// Report: aws-sdk-php#1858.
func TestInvalidIdentityToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := fault(400, "InvalidIdentityToken")
		c, s := scripted(refused, refused, refused)
		_, err := c.AssumeRoleWithWebIdentity(t.Context(), stsquery.AssumeRoleWithWebIdentityInput{
			RoleARN: roleInput.RoleARN, RoleSessionName: "session", WebIdentityToken: stschain.NewSecret("token"),
		})
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Len(t, s.times, 3)

		c, s = scripted(refused, refused)
		_, err = c.AssumeRoleWithSAML(t.Context(), stsquery.AssumeRoleWithSAMLInput{
			RoleARN: roleInput.RoleARN, PrincipalARN: "arn:aws:iam::123456789012:saml-provider/idp", SAMLAssertion: stschain.NewSecret("PHNhbWw+"),
		})
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Len(t, s.times, 1)
	})
}

// A token that is fixed is sent again where STS may have failed to check it, and
// not where it has expired.
func TestFixedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const operation = "AssumeRoleWithWebIdentity"
		c, s := scripted(fault(400, "InvalidIdentityTokenException"), fault(400, "IDPCommunicationError"), result(operation, whole[operation].response))
		_, err := c.AssumeRoleWithWebIdentity(t.Context(), webInput)
		require.NoError(t, err)
		require.Equal(t, s.bodies[0], s.bodies[2])

		c, s = scripted(fault(400, "ExpiredTokenException"), ok)
		_, err = c.AssumeRoleWithWebIdentity(t.Context(), webInput)
		require.ErrorContains(t, err, "the web identity token has expired")
		require.Len(t, s.bodies, 1)
	})
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
		cancel(errors.New("shutting down"))
		<-ctx.Done()
		return stschain.Secret{}, context.Cause(ctx)
	}
	c, s := scripted(ok)
	_, err := c.AssumeRoleWithWebIdentity(ctx, in)
	require.ErrorContains(t, err, "shutting down")
	require.Empty(t, s.bodies)
}
