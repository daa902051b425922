package identity_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/federation"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/source/container"
	"github.com/stschain-go/stschain/source/env"
	"github.com/stschain-go/stschain/source/imds"
	"github.com/stschain-go/stschain/source/process"
	"github.com/stschain-go/stschain/source/profile"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/webidentity"
)

func identityOf(t *testing.T, p stschain.Identifier) stschain.Identity {
	t.Helper()
	i, err := p.Identity(t.Context())
	require.NoError(t, err)
	return i
}

// The order of a set does not count. A set has one encoding, whatever characters its members have.
func TestSets(t *testing.T) {
	tagged := func(tags ...stsquery.Tag) stschain.Identity {
		return identityOf(t, &federation.Provider{Client: newClient(), Tags: tags})
	}
	policies := func(arns ...string) stschain.Identity {
		return identityOf(t, &federation.Provider{Client: newClient(), PolicyARNs: arns})
	}
	a, b := stsquery.Tag{Key: "a", Value: "1"}, stsquery.Tag{Key: "b", Value: "2"}
	require.True(t, tagged(a, b) == tagged(b, a))
	require.True(t, policies("a", "b") == policies("b", "a"))
	different := []stschain.Identity{
		tagged(), tagged(a), tagged(b), tagged(a, b), tagged(a, a),
		tagged(stsquery.Tag{Key: "a", Value: `1,b=2`}), tagged(stsquery.Tag{Key: "a=1,b", Value: "2"}), tagged(stsquery.Tag{Key: `a" "1"]["b`, Value: "2"}),
		tagged(stsquery.Tag{Key: "a", Value: "1\xff"}), tagged(stsquery.Tag{Key: "a", Value: `1\xff`}),
		policies("a", "b"), policies("a,b"), policies("ab"), policies(`a"]["b`), policies("a b"),
	}
	for i, one := range different {
		for _, other := range different[i+1:] {
			require.False(t, one == other, "%s and %s", one, other)
		}
	}
}

// Settings that select the same server are the same.
func TestSameServer(t *testing.T) {
	of := func(c *stsquery.Client) stschain.Identity {
		i, err := c.Server()
		require.NoError(t, err)
		return i
	}
	want := of(&stsquery.Client{Region: "eu-west-1"})
	require.True(t, want == of(&stsquery.Client{Region: "eu-west-1", Endpoint: "STS.eu-west-1.amazonaws.com:443"}))
	require.True(t, want == of(&stsquery.Client{Endpoint: "https://sts.eu-west-1.amazonaws.com/", SigningRegion: "eu-west-1", SigningName: "sts"}))
	require.False(t, want == of(&stsquery.Client{Region: "eu-west-1", Endpoint: "http://sts.eu-west-1.amazonaws.com", AllowHTTP: true}))
	require.NotContains(t, of(&stsquery.Client{Region: "x", Endpoint: "https://sts.example/?key=" + secret}).String(), secret)
	_, err := new(stsquery.Client).Server()
	require.ErrorContains(t, err, "Client.Region is missing")
}

// A token of a file counts by its claims, and any other one by its bytes.
func TestTokens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	of := func(token func(context.Context) (stschain.Secret, error)) stschain.Identity {
		return identityOf(t, &webidentity.Provider{Client: newClient(), RoleARN: role, SessionName: "nightly", Token: token})
	}
	file := func(token string) stschain.Identity {
		require.NoError(t, os.WriteFile(path, []byte(token+"\n"), 0o600))
		return of(webidentity.TokenFile(path))
	}
	first := jwt("https://idp", "app", "sts", "1")
	want := file(first)
	require.True(t, want == file(jwt("https://idp", "app", "sts", "2")), "it rotated")
	t.Setenv("STSCHAIN_TOKEN", first)
	for name, i := range map[string]stschain.Identity{
		"issuer":          file(jwt("https://other", "app", "sts", "1")),
		"subject":         file(jwt("https://idp", "other", "sts", "1")),
		"audience":        file(jwt("https://idp", "app", "other", "1")),
		"tags":            file(jwt("https://idp", "app", "sts", "1", "https://aws.amazon.com/tags", "a")),
		"source identity": file(jwt("https://idp", "app", "sts", "1", "https://aws.amazon.com/source_identity", "a")),
		"no subject":      file(jwt("https://idp", "", "sts", "1")),
		"function":        of(returns(first)),
		"variable":        of(webidentity.TokenVariable("STSCHAIN_TOKEN")),
		"forged": of(func(ctx context.Context) (stschain.Secret, error) {
			_, err := webidentity.TokenFile(path)(ctx)
			return stschain.NewSecret(jwt("https://idp", "app", "sts", "forged")), err
		}),
	} {
		require.False(t, want == i, name)
	}
	require.False(t, of(returns(first)) == of(returns(jwt("https://idp", "app", "sts", "2"))), "the bytes of a token of a function")

	require.NoError(t, os.Remove(path))
	_, err := (&webidentity.Provider{Client: newClient(), RoleARN: role, Token: webidentity.TokenFile(path)}).Identity(t.Context())
	require.ErrorContains(t, err, "webidentity: "+role+": no web identity token: token file "+path)
}

// refused are the providers without an identity.
var refused = []stschain.Provider{
	&process.Provider{Command: "true"}, &imds.Provider{}, &container.Provider{}, &source.Default{},
}

func TestRefused(t *testing.T) {
	f := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { panic("called") })
	for _, p := range append(refused, f, stschain.NewChain(keys)) {
		t.Run(reflect.TypeOf(p).String(), func(t *testing.T) {
			_, err := (&assumerole.Provider{Client: &stsquery.Client{Credentials: p, Region: "eu-west-1"}, RoleARN: role}).Identity(t.Context())
			require.ErrorContains(t, err, "assumerole: "+role+": no identity, because Client.Credentials have none: ")
			require.ErrorContains(t, err, " has no identity: ")
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.False(t, stschain.IsUnavailable(err))
		})
	}
}

// A provider that is not configured is unavailable, so that a chain of a program's own can skip it. A role over it has failed.
func TestUnavailable(t *testing.T) {
	for _, p := range []stschain.Identifier{
		&env.Provider{LookupEnv: lookup()}, &webidentity.FromEnv{LookupEnv: lookup()}, &profile.Provider{LookupEnv: lookup(), Home: "/x", Open: opens("")},
	} {
		_, err := p.Identity(t.Context())
		require.True(t, stschain.IsUnavailable(err), err)
		_, err = (&assumerole.Provider{Client: &stsquery.Client{Credentials: p.(stschain.Provider), Region: "eu-west-1"}, RoleARN: role}).Identity(t.Context())
		require.Error(t, err)
		require.False(t, stschain.IsUnavailable(err), err)
	}
}

// A profile has the identity of what it configures.
func TestProfile(t *testing.T) {
	of := func(config string) (stschain.Identity, error) {
		return (&profile.Provider{Region: "eu-west-1", LookupEnv: environment("AKIA", ""), Home: "/x", Open: opens(config)}).Identity(t.Context())
	}
	i, err := of(configOf(role))
	require.NoError(t, err)
	require.True(t, i == identityOf(t, &assumerole.Provider{
		Client:  &stsquery.Client{Credentials: stschain.Static("AKIA", secret, ""), Region: "eu-west-1"},
		RoleARN: role, SessionName: "nightly",
	}))
	i, err = of("[default]\naws_access_key_id = AKIA\naws_secret_access_key = " + secret + "\n")
	require.NoError(t, err)
	require.True(t, i == identityOf(t, stschain.Static("AKIA", secret, "").(stschain.Identifier)))
	_, err = of("[default]\ncredential_process = " + secret + "\n")
	require.ErrorContains(t, err, "profile default: process has no identity: ")
	_, err = of("[default]\nrole_arn = " + role + "\ncredential_source = Ec2InstanceMetadata\n")
	require.ErrorContains(t, err, "imds has no identity: ")
}

// A client without what a flow needs has no identity.
func TestIncomplete(t *testing.T) {
	for want, p := range map[string]stschain.Identifier{
		"assumerole: Client is missing":             &assumerole.Provider{},
		"assumerole: Client.Credentials is missing": &assumerole.Provider{Client: &stsquery.Client{Region: "eu-west-1"}},
		"webidentity: Token is missing":             &webidentity.Provider{Client: newClient()},
	} {
		_, err := p.Identity(t.Context())
		require.EqualError(t, err, want)
	}
}

// A default session name is of this host, and so is a role that is assumed with such a session.
func TestIdentityOfHost(t *testing.T) {
	base := &assumerole.Provider{Client: newClient(), RoleARN: role}
	require.Contains(t, identityOf(t, base).String(), " session-of-host=")
	next := &assumerole.Provider{Client: newClient(), RoleARN: role, SessionName: "nightly"}
	require.NotContains(t, identityOf(t, next).String(), "-of-host=")
	next.Client.Credentials = base
	require.Contains(t, identityOf(t, next).String(), " caller-of-host=")
}
