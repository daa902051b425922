package federation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/federation"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const readOnly = "arn:aws:iam::aws:policy/ReadOnlyAccess"

// clientOf returns a client that signs with the credentials of base.
func clientOf(srv *ststest.Server, base stschain.Provider) *stsquery.Client {
	return &stsquery.Client{Credentials: base, Region: "eu-west-1", HTTPClient: srv.Client(), Clock: srv.Clock}
}

func TestRetrieve(t *testing.T) {
	srv := ststest.NewTest(t)
	p := &federation.Provider{Client: clientOf(srv, srv.User()), Name: "bob", PolicyARNs: []string{readOnly}}
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "federation bob", creds.Origin)
	require.Equal(t, "123456789012", creds.AccountID)
	require.WithinDuration(t, time.Now().Add(12*time.Hour), creds.Expires, time.Minute)

	identity, err := clientOf(srv, p).GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:federated-user/bob", identity.ARN)
}

// Every field reaches STS, and GetFederationToken returns the complete response.
func TestAllFields(t *testing.T) {
	const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	srv := ststest.NewTest(t)
	p := &federation.Provider{
		Client:                  clientOf(srv, srv.User()),
		Name:                    "bob",
		Policy:                  policy,
		PolicyARNs:              []string{readOnly},
		Duration:                36 * time.Hour,
		Tags:                    []stsquery.Tag{{Key: "team", Value: "blue"}},
		MinimumSessionTokenSize: 1000,
	}
	out, err := p.GetFederationToken(t.Context())
	require.NoError(t, err)
	require.Equal(t, stsquery.FederatedUser{ARN: "arn:aws:sts::123456789012:federated-user/bob", FederatedUserID: "123456789012:bob"}, out.FederatedUser)
	require.NotEmpty(t, out.RequestID)

	form := srv.Calls()[0].Form
	require.Equal(t, "bob", form.Get("Name"))
	require.Equal(t, policy, form.Get("Policy"))
	require.Equal(t, readOnly, form.Get("PolicyArns.member.1.arn"))
	require.Equal(t, "129600", form.Get("DurationSeconds"))
	require.Equal(t, "team", form.Get("Tags.member.1.Key"))
	require.Equal(t, "blue", form.Get("Tags.member.1.Value"))
	require.Equal(t, "1000", form.Get("MinimumSessionTokenSize"))
}

func TestMissingFields(t *testing.T) {
	client := &stsquery.Client{Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), Region: "us-east-1"}
	for want, p := range map[string]federation.Provider{
		"federation: Client is missing": {},
		"Client.Credentials is missing": {Client: &stsquery.Client{}, Name: "bob"},
		"Name is missing":               {Client: client},
		"2 to 32 are allowed":           {Client: client, Name: strings.Repeat("b", 33)},
		"Duration is 37h0m0s":           {Client: client, Name: "bob", Duration: 37 * time.Hour},
		"not JSON":                      {Client: client, Name: "bob", Policy: "allow"},
	} {
		_, err := p.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		require.True(t, strings.HasPrefix(err.Error(), "federation: "), err.Error())
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.False(t, stschain.IsUnavailable(err), "%v", err)
		_ = p.String() // and
		p.Providers()  // do not panic
	}
}

// STS returns no federated session for temporary keys: nothing is sent.
func TestTemporaryBase(t *testing.T) {
	srv := ststest.NewTest(t)
	role := &assumerole.Provider{Client: clientOf(srv, srv.User()), RoleARN: "arn:aws:iam::123456789012:role/broker"}
	p := &federation.Provider{Client: clientOf(srv, role), Name: "bob", PolicyARNs: []string{readOnly}}
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "federation: Client.Credentials are temporary (ASIA")
	require.ErrorContains(t, err, "from assumerole arn:aws:iam::123456789012:role/broker")
	require.ErrorIs(t, err, stschain.ErrPermanent)
	require.Zero(t, srv.Count("GetFederationToken"))
}

func TestUnavailableBase(t *testing.T) {
	srv := ststest.NewTest(t)
	p := &federation.Provider{Client: clientOf(srv, stschain.Static("", "", "")), Name: "bob"}
	_, err := stschain.NewChain(p, srv.User()).Retrieve(t.Context())
	require.ErrorContains(t, err, "federation: no credentials to sign with")
	require.False(t, stschain.IsUnavailable(err), "%v", err)
}
