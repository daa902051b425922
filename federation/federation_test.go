package federation_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/federation"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const readOnly = "arn:aws:iam::aws:policy/ReadOnlyAccess"

// clientOf signs with base.
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

	who, err := clientOf(srv, p).GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:federated-user/bob", who.ARN)
}

// Every field reaches STS, and the whole answer can be had.
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
	keys := stschain.Static("AKIDEXAMPLE", "secret", "")
	client := func() *stsquery.Client { return &stsquery.Client{Credentials: keys, Region: "us-east-1"} }
	for name, test := range map[string]struct {
		provider *federation.Provider
		want     string
	}{
		"nil":               {nil, "federation: the Provider is nil"},
		"zero":              {&federation.Provider{}, "federation: Client is missing"},
		"zero client":       {&federation.Provider{Client: &stsquery.Client{}, Name: "bob"}, "Client.Credentials is missing"},
		"no name":           {&federation.Provider{Client: client()}, "Name is missing"},
		"name too long":     {&federation.Provider{Client: client(), Name: strings.Repeat("b", 33)}, "2 to 32 are allowed"},
		"duration too long": {&federation.Provider{Client: client(), Name: "bob", Duration: 37 * time.Hour}, "Duration is 37h0m0s"},
		"policy too long":   {&federation.Provider{Client: client(), Name: "bob", Policy: `"` + strings.Repeat("x", 2048) + `"`}, "Policy is"},
		"policy no JSON":    {&federation.Provider{Client: client(), Name: "bob", Policy: "allow"}, "not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.provider.Retrieve(t.Context())
			require.ErrorContains(t, err, test.want)
			require.True(t, strings.HasPrefix(err.Error(), "federation: "), err.Error())
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.False(t, stschain.IsUnavailable(err), "%v", err)

			// What else it can be asked does not panic.
			_ = test.provider.String()
			test.provider.Providers()
		})
	}
}

// STS federates for no temporary keys. It is not even asked.
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

func TestDenied(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.FailNext(ststest.Refuse(403, "AccessDenied", "User: alice is not authorized to perform: sts:GetFederationToken"))
	_, err := (&federation.Provider{Client: clientOf(srv, srv.User()), Name: "bob"}).Retrieve(t.Context())
	require.ErrorIs(t, err, stschain.ErrPermanent)
	var e *stsquery.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "AccessDenied", e.Code)
}

func TestCanary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const secret = "hunter4711/canary"
		srv := ststest.NewTest(t)
		srv.AddKeys(srv.User().ARN, stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret(secret)})
		p := &federation.Provider{Client: clientOf(srv, stschain.Static("AKIDEXAMPLE", secret, "")), Name: "bob"}
		srv.FailNext(ststest.Refuse(403, "AccessDenied", "the key is "+secret))
		_, refused := p.Retrieve(t.Context())
		require.Error(t, refused)
		temporary := &federation.Provider{Client: clientOf(srv, stschain.Static("ASIAEXAMPLE", secret, secret)), Name: "bob"}
		_, err := temporary.Retrieve(t.Context())
		require.Error(t, err)
		synctest.Wait() // the cache's goroutine, or what is printed changes meanwhile
		canary.Check(t, secret, p, *p, refused, err)
	})
}
