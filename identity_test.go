package stschain_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

func TestNewIdentity(t *testing.T) {
	a := stschain.NewIdentity("role", "arn=a", "session=b")
	require.Equal(t, "role arn=a session=b", a.String())
	require.True(t, a == stschain.NewIdentity("role", "arn=a", "policy=", "session=b"), "an empty field is none")
	for _, other := range []stschain.Identity{
		{},
		stschain.NewIdentity("role"),
		stschain.NewIdentity("roles", "arn=a", "session=b"),
		stschain.NewIdentity("role arn=a", "session=b"),
		stschain.NewIdentity("role", "arn=a session=b"),
		stschain.NewIdentity("role", "session=b", "arn=a"),
		stschain.NewIdentity("role", "arn=a", "session=b "),
		stschain.NewIdentity("role", "arn=", "session=ab"),
		stschain.NewIdentity("role", "arn=asession=b"),
		stschain.NewIdentity("rolearn=a", "session=b"),
	} {
		require.False(t, a == other, other)
		require.NotEqual(t, a.Digest(), other.Digest())
	}
}

// An identity shows no secret, nothing that a secret can be guessed from, and no long text in full.
func TestIdentityShowsNoSecret(t *testing.T) {
	secret := stschain.NewSecret("hunter2")
	long := strings.Repeat("ü", 100)
	i := stschain.NewIdentity("ldap", "user=u", "password="+secret.Fingerprint(), "policy="+long)
	require.Equal(t, "ldap user=u password=[redacted] policy="+strings.Repeat("ü", 46)+"... (207 bytes)", i.String())
	require.Equal(t, i.String(), fmt.Sprint(i))
	require.NotContains(t, fmt.Sprintf("%v", secret.Fingerprint()), "hunter2")
	require.NotEqual(t, secret.Fingerprint(), stschain.NewSecret("hunter3").Fingerprint())
	require.Empty(t, stschain.Secret{}.Fingerprint())
	for n, want := range map[int]string{
		100: "role policy=" + strings.Repeat("x", 93),
		101: "role policy=" + strings.Repeat("x", 93) + "... (101 bytes)",
	} {
		require.Equal(t, want, stschain.NewIdentity("role", "policy="+strings.Repeat("x", n-len("policy="))).String())
	}
}

// Processes that share credentials may have been built at different times, so a digest never changes.
func TestIdentityDigest(t *testing.T) {
	text := "\x00\x00\x00\x00\x00\x00\x00\x13stschain-identity-1" + "\x00\x00\x00\x00\x00\x00\x00\x04role" + "\x00\x00\x00\x00\x00\x00\x00\x05arn=a"
	require.Equal(t, sha256.Sum256([]byte(text)), stschain.NewIdentity("role", "arn=a").Digest())
	require.Zero(t, stschain.Identity{}.Digest())
}

func TestIdentityOfKeys(t *testing.T) {
	of := func(p stschain.Provider) stschain.Identity {
		t.Helper()
		i, err := p.(stschain.Identifier).Identity(t.Context())
		require.NoError(t, err)
		return i
	}
	a := of(stschain.Static("AKIA", "secret", "token"))
	require.Equal(t, "keys id=AKIA secret=[redacted] token=[redacted]", a.String())
	require.True(t, a == of(&stschain.Cache{Provider: stschain.Static("AKIA", "secret", "token")}))
	for _, other := range [][3]string{{"AKIB", "secret", "token"}, {"AKIA", "secreT", "token"}, {"AKIA", "secret", ""}} {
		require.False(t, a == of(stschain.Static(other[0], other[1], other[2])), other)
	}
}

// Where the identity is not known, there is an error that says why.
func TestNoIdentity(t *testing.T) {
	f := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return stschain.Credentials{}, nil })
	for want, p := range map[string]stschain.Identifier{
		"stschain: stschain.ProviderFunc has no identity: it does not implement stschain.Identifier":                  &stschain.Cache{Provider: f},
		"stschain: Cache.Provider is required":                                                                        &stschain.Cache{},
		"stschain: static credentials are empty":                                                                      stschain.Static("", "", "").(stschain.Identifier),
		"stschain: a Chain has no identity: it may pick another provider on another machine. Use the provider itself": stschain.NewChain(),
	} {
		i, err := p.Identity(t.Context())
		require.EqualError(t, err, want)
		require.Zero(t, i)
	}
}
