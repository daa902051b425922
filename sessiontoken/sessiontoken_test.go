package sessiontoken_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sessiontoken"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const serial = "arn:aws:iam::123456789012:mfa/alice"

// clientOf returns a client that signs with the credentials of base.
func clientOf(srv *ststest.Server, base stschain.Provider) *stsquery.Client {
	return &stsquery.Client{Credentials: base, Region: "eu-west-1", HTTPClient: srv.Client(), Clock: srv.Clock}
}

// codes is an MFAToken that returns one code after the other, and then an error.
func codes(list ...string) func(context.Context, string) (stschain.Secret, error) {
	return func(context.Context, string) (stschain.Secret, error) {
		if len(list) == 0 {
			return stschain.Secret{}, errors.New("canceled by the user")
		}
		code := list[0]
		list = list[1:]
		return stschain.NewSecret(code), nil
	}
}

func TestRetrieve(t *testing.T) {
	srv := ststest.NewTest(t)
	p := &sessiontoken.Provider{Client: clientOf(srv, srv.User())}
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "sessiontoken", creds.Origin)
	require.Equal(t, "123456789012", creds.AccountID)
	require.False(t, creds.SessionToken.IsZero())
	require.WithinDuration(t, time.Now().Add(12*time.Hour), creds.Expires, time.Minute)

	identity, err := clientOf(srv, p).GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, srv.User().ARN, identity.ARN, "the session is of the same user")
}

// Every field reaches STS, and GetSessionToken returns the complete response.
func TestAllFields(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AddMFA(ststest.MFA{Serial: serial, Codes: []string{"471101"}})
	p := &sessiontoken.Provider{
		Client:                  clientOf(srv, srv.User()),
		Duration:                36 * time.Hour,
		SerialNumber:            serial,
		MFAToken:                codes("471101"),
		MinimumSessionTokenSize: 1000,
	}
	out, err := p.GetSessionToken(t.Context())
	require.NoError(t, err)
	require.Equal(t, "sessiontoken "+serial, out.Credentials.Origin)
	require.WithinDuration(t, time.Now().Add(36*time.Hour), out.Credentials.Expires, time.Minute)
	require.NotEmpty(t, out.RequestID)

	form := srv.Calls()[0].Form
	require.Equal(t, "129600", form.Get("DurationSeconds"))
	require.Equal(t, serial, form.Get("SerialNumber"))
	require.Equal(t, "471101", form.Get("TokenCode"))
	require.Equal(t, "1000", form.Get("MinimumSessionTokenSize"))
}

func TestMissingFields(t *testing.T) {
	keys := stschain.Static("AKIDEXAMPLE", "secret", "")
	client := &stsquery.Client{Credentials: keys, Region: "us-east-1"}
	for want, p := range map[string]sessiontoken.Provider{
		"sessiontoken: Client is missing":                    {},
		"Client.Credentials is missing":                      {Client: &stsquery.Client{}},
		"Client.Region is missing":                           {Client: &stsquery.Client{Credentials: keys}},
		"Duration is 1m0s, and 15m0s to 36h0m0s are allowed": {Client: client, Duration: time.Minute},
		"Duration is 37h0m0s":                                {Client: client, Duration: 37 * time.Hour},
		"SerialNumber and MFAToken":                          {Client: client, SerialNumber: serial},
		"sessiontoken: SerialNumber and MFAToken":            {Client: client, MFAToken: codes()},
	} {
		_, err := p.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		require.True(t, strings.HasPrefix(err.Error(), "sessiontoken: "), err.Error())
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.False(t, stschain.IsUnavailable(err), "%v", err)
		_ = p.String() // and
		p.Providers()  // do not panic
	}
}

// STS returns no session for temporary keys: nothing is sent, and the user is not prompted.
func TestTemporaryBase(t *testing.T) {
	srv := ststest.NewTest(t)
	role := &assumerole.Provider{Client: clientOf(srv, srv.User()), RoleARN: "arn:aws:iam::123456789012:role/backup"}
	p := &sessiontoken.Provider{Client: clientOf(srv, role), SerialNumber: serial, MFAToken: func(context.Context, string) (stschain.Secret, error) {
		t.Error("prompted")
		return stschain.NewSecret("123456"), nil
	}}
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "sessiontoken: Client.Credentials are temporary (ASIA")
	require.ErrorContains(t, err, role.String())
	require.ErrorIs(t, err, stschain.ErrPermanent)
	require.Zero(t, srv.Count("GetSessionToken"))
}

// A session whose base is not configured has failed: a chain does not fall through.
func TestUnavailableBase(t *testing.T) {
	srv := ststest.NewTest(t)
	p := &sessiontoken.Provider{Client: clientOf(srv, stschain.Static("", "", ""))}
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "sessiontoken: no credentials to sign with")
	require.False(t, stschain.IsUnavailable(err), "%v", err)

	_, err = stschain.NewChain(p, srv.User()).Retrieve(t.Context())
	require.Error(t, err)
	require.False(t, stschain.IsUnavailable(err), "%v", err)
}
