package miniosts_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/miniosts"
	"github.com/stschain-go/stschain/ststest"
)

// theirs is a provider of minio-go.
type theirs struct {
	credentials.Expiry
	retrieve func(cc *credentials.CredContext) (credentials.Value, error)
}

func (p *theirs) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	value, err := p.retrieve(cc)
	p.SetExpiration(value.Expiration, credentials.DefaultExpiryWindow)
	return value, err
}

func (p *theirs) Retrieve() (credentials.Value, error) { return p.RetrieveWithCredContext(nil) }

func cached(retrieve func(cc *credentials.CredContext) (credentials.Value, error)) *credentials.Credentials {
	return credentials.New(&theirs{retrieve: retrieve})
}

func TestProviderAnswer(t *testing.T) {
	expires := time.Date(2126, 11, 21, 12, 0, 0, 0, time.UTC)
	keys := credentials.Value{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "token", Expiration: expires}
	for _, tt := range []struct {
		name   string
		source *credentials.Credentials
		want   stschain.Credentials
		err    string
	}{
		{
			"expires",
			cached(func(*credentials.CredContext) (credentials.Value, error) { return keys, nil }),
			stschain.Credentials{
				AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("secret"), SessionToken: stschain.NewSecret("token"),
				Expires: expires, Origin: "credentials of minio-go",
			}, "",
		},
		{
			"never expires", credentials.NewStaticV4("AKIDEXAMPLE", "secret", ""),
			stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("secret"), Origin: "credentials of minio-go"}, "",
		},
		{"anonymous", credentials.NewStaticV4("", "", ""), stschain.Credentials{}, "anonymous"},
		{"keys that are not to be used", credentials.NewStatic("AKIDEXAMPLE", "secret", "", credentials.SignatureAnonymous), stschain.Credentials{}, "anonymous"},
		{
			"a chain that hides its errors",
			credentials.NewChainCredentials([]credentials.Provider{&theirs{retrieve: func(*credentials.CredContext) (credentials.Value, error) {
				return credentials.Value{}, errTest
			}}}), stschain.Credentials{}, "its chain hides the error",
		},
		{
			"ours, absent, below minio-go", credentials.New(&miniosts.CredentialsProvider{Credentials: stschain.Static("", "", "")}),
			stschain.Credentials{}, "static credentials are empty",
		},
		{"missing", nil, stschain.Credentials{}, "Provider.Provider is required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := (&miniosts.Provider{Provider: tt.source}).Retrieve(t.Context())
			require.Equal(t, tt.want, got)
			if tt.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.err)
			require.False(t, stschain.IsUnavailable(err), "a chain must not go on")
		})
	}
}

func TestProviderErrors(t *testing.T) {
	srv := ststest.New()
	defer srv.Close()
	user := srv.User().Credentials
	role, err := credentials.NewSTSAssumeRole("https://sts.example", credentials.STSAssumeRoleOptions{
		AccessKey: user.AccessKeyID, SecretKey: user.SecretAccessKey.Reveal(), Location: region,
		RoleARN: "arn:aws:iam::123456789012:role/backup", RoleSessionName: "test",
	})
	require.NoError(t, err)
	p := &miniosts.Provider{Provider: role, Client: srv.Client()}
	got, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.NotZero(t, got.Expires)

	for _, tt := range []struct {
		name      string
		fault     ststest.Fault
		permanent bool
		text      string
	}{
		{"refused", ststest.Refuse(http.StatusForbidden, "AccessDenied", "no"), true, "miniosts: credentials of minio-go: AccessDenied: no"},
		{"throttled", ststest.Throttle(), false, "Throttling"},
		{"broken", ststest.Disconnect(), false, "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv.FailAll(tt.fault)
			_, err := p.Retrieve(t.Context())
			require.ErrorContains(t, err, tt.text)
			require.Equal(t, tt.permanent, errors.Is(err, stschain.ErrPermanent))
		})
	}
}

// minio-go returns its cached value for most of its life. Our cache gets others
// when it refreshes.
func TestProviderOverTheirCache(t *testing.T) {
	start := time.Now()
	calls := 0
	source := cached(func(*credentials.CredContext) (credentials.Value, error) {
		calls++
		return credentials.Value{
			AccessKeyID: fmt.Sprintf("KEY%d", calls), SecretAccessKey: "secret",
			Expiration: start.Add(time.Duration(calls) * time.Hour),
		}, nil
	})
	clk := clock.NewMock()
	clk.Set(start)
	refreshed := make(chan struct{}, 1)
	cache := &stschain.Cache{
		Provider: &miniosts.Provider{Provider: source},
		Clock:    clk,
		OnEvent: func(e stschain.Event) {
			if e.Kind != stschain.RefreshStarted {
				refreshed <- struct{}{}
			}
		},
	}
	for generation := range 3 {
		got, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		if generation > 0 { // those that were cached while the others were fetched
			require.Equal(t, fmt.Sprintf("KEY%d", generation), got.AccessKeyID)
		}
		<-refreshed
		require.Equal(t, fmt.Sprintf("KEY%d", generation+1), cache.Status().AccessKeyID)
		require.Equal(t, generation+1, calls)
		clk.Add(55 * time.Minute)
		require.Equal(t, stschain.Advisory, cache.Status().Phase)
	}
	require.EqualValues(t, 1, cache.Status().Waits)
}

// Both ways at once: there is one cache, ours, and its expiry is kept.
// https://github.com/restic/restic/issues/4472
func TestProviderOverOurs(t *testing.T) {
	expires := time.Now().Add(time.Hour).Round(0)
	ours := &stschain.Cache{Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("secret"), Expires: expires}, nil
	})}
	back := &miniosts.Provider{Provider: credentials.New(&miniosts.CredentialsProvider{Credentials: ours})}
	for range 2 {
		got, err := back.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, expires, got.Expires)
	}
	require.EqualValues(t, 1, ours.Status().Attempts)
}

// The context, the client and the endpoint reach the providers of minio-go.
func TestProviderCredContext(t *testing.T) {
	type key struct{}
	client := &http.Client{}
	var got *credentials.CredContext
	p := &miniosts.Provider{Client: client, Endpoint: "https://sts.example", Provider: cached(func(cc *credentials.CredContext) (credentials.Value, error) {
		got = cc
		return credentials.Value{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
	})}
	_, err := p.Retrieve(context.WithValue(t.Context(), key{}, "value"))
	require.NoError(t, err)
	require.Equal(t, "value", got.Context.Value(key{}))
	require.Same(t, client, got.Client)
	require.Equal(t, "https://sts.example", got.Endpoint)

	var none context.Context
	_, err = p.Retrieve(none)
	require.NoError(t, err)
	require.NotNil(t, got.Context)
}

func TestProviderCancelledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	p := &miniosts.Provider{Provider: cached(func(cc *credentials.CredContext) (credentials.Value, error) {
		calls++
		cancel()
		return credentials.Value{}, cc.Context.Err()
	})}
	for range 2 {
		_, err := p.Retrieve(ctx)
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Equal(t, 1, calls)
}

// Only minio-go's own types show what they hold.
func TestSecrets(t *testing.T) {
	const secret = "a-secret-of-minio-go"
	synctest.Test(t, func(t *testing.T) {
		theirs := &miniosts.Provider{Provider: credentials.NewStaticV4("AKIDEXAMPLE", secret, secret)}
		creds, err := theirs.Retrieve(t.Context())
		require.NoError(t, err)
		ours := &miniosts.CredentialsProvider{Credentials: stschain.Static("AKIDEXAMPLE", secret, secret)}
		_, err = ours.Retrieve()
		require.NoError(t, err)
		synctest.Wait()
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %v", ours, ours, ours, creds), secret)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %v", theirs, theirs, theirs, struct{ P stschain.Provider }{theirs}), secret)
	})
}

func TestProviderIdentity(t *testing.T) {
	_, err := (&miniosts.Provider{Endpoint: "https://minio.example"}).Identity(t.Context())
	require.ErrorContains(t, err, "miniosts: credentials of minio-go have no identity: ")
	require.ErrorIs(t, err, stschain.ErrPermanent)
}
