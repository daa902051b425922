package awssdk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/awssdk"
)

// sdk is a provider of the SDK that returns the same each time.
func sdk(creds aws.Credentials, err error) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, err })
}

func TestProviderAnswer(t *testing.T) {
	expires := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	keys := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "token", AccountID: "123456789012", Source: "SDK"}
	with := func(change func(*aws.Credentials)) aws.Credentials {
		changed := keys
		change(&changed)
		return changed
	}
	for _, tt := range []struct {
		name    string
		creds   aws.Credentials
		expires time.Time
		err     string
	}{
		{"never expires", keys, time.Time{}, ""},
		{"expires", with(func(c *aws.Credentials) { c.CanExpire, c.Expires = true, expires }), expires, ""},
		{"Expires is not valid", with(func(c *aws.Credentials) { c.Expires = expires }), time.Time{}, ""},
		{"expires without a time", with(func(c *aws.Credentials) { c.CanExpire = true }), time.Time{}, "without the time"},
		{"nothing", aws.Credentials{}, time.Time{}, "returned no keys"},
		{"no secret", with(func(c *aws.Credentials) { c.SecretAccessKey = "" }), time.Time{}, "returned no keys"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := (&awssdk.Provider{Provider: sdk(tt.creds, nil)}).Retrieve(t.Context())
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.Zero(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, stschain.Credentials{
				AccessKeyID:     "AKIDEXAMPLE",
				SecretAccessKey: stschain.NewSecret("secret"),
				SessionToken:    stschain.NewSecret("token"),
				AccountID:       "123456789012",
				Origin:          "SDK",
				Expires:         tt.expires,
			}, got)
		})
	}
}

func TestProviderErrors(t *testing.T) {
	refusal := func(code string) error {
		return fmt.Errorf("operation error: %w", &smithy.GenericAPIError{Code: code, Message: "no"})
	}
	for _, tt := range []struct {
		name      string
		source    aws.CredentialsProvider
		is        error
		permanent bool
		text      string
	}{
		{"AccessDenied", sdk(aws.Credentials{}, refusal("AccessDenied")), nil, true, "AccessDenied"},
		{"AccessDeniedException", sdk(aws.Credentials{}, refusal("AccessDeniedException")), nil, true, "AccessDenied"},
		{"a login that ended", sdk(aws.Credentials{}, refusal("UnauthorizedException")), nil, true, "UnauthorizedException"},
		{"behind the SDK's cache", aws.NewCredentialsCache(sdk(aws.Credentials{}, refusal("AccessDenied"))), nil, true, "AccessDenied"},
		{"Throttling", sdk(aws.Credentials{}, refusal("Throttling")), nil, false, "Throttling"},
		{"another error", sdk(aws.Credentials{}, errTest), errTest, false, "awssdk: aws-sdk-go-v2 aws.CredentialsProviderFunc: down for maintenance"},
		{"anonymous", aws.AnonymousCredentials{}, nil, false, "AnonymousCredentials"},
		{"no keys", credentials.NewStaticCredentialsProvider("", "", ""), &credentials.StaticCredentialsEmptyError{}, false, "static credentials are empty"},
		{
			"ours, absent", &awssdk.CredentialsProvider{Credentials: stschain.Static("", "", "")},
			nil, false, "awssdk: aws-sdk-go-v2 awssdk.CredentialsProvider: stschain: static credentials are empty",
		},
		{
			"ours, absent, below the SDK", aws.NewCredentialsCache(&awssdk.CredentialsProvider{Credentials: stschain.Static("", "", "")}),
			nil, false, "static credentials are empty",
		},
		{"missing", nil, nil, false, "Provider.Provider is required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := (&awssdk.Provider{Provider: tt.source}).Retrieve(t.Context())
			require.Zero(t, got)
			require.ErrorContains(t, err, tt.text)
			require.Equal(t, tt.permanent, errors.Is(err, stschain.ErrPermanent))
			require.False(t, stschain.IsUnavailable(err), "a chain must not go on")
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
		})
	}
}

// The SDK's cache returns the same credentials until they expire. Our cache gets others
// when it refreshes.
func TestProviderOverTheSDKsCache(t *testing.T) {
	start := time.Now()
	calls := 0
	inner := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		calls++
		return aws.Credentials{
			AccessKeyID: fmt.Sprintf("KEY%d", calls), SecretAccessKey: "secret",
			CanExpire: true, Expires: start.Add(time.Duration(calls) * time.Hour),
		}, nil
	})
	clk := clock.NewMock()
	clk.Set(start)
	refreshed := make(chan struct{}, 1)
	cache := &stschain.Cache{
		Provider: &awssdk.Provider{Provider: aws.NewCredentialsCache(inner)},
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

// What the SDK's cache holds when it is first calls is good enough.
func TestProviderSharesWhatTheSDKHolds(t *testing.T) {
	calls := 0
	theirs := aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		calls++
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
	}))
	_, err := theirs.Retrieve(t.Context())
	require.NoError(t, err)
	_, err = (&awssdk.Provider{Provider: theirs}).Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, calls)
}

// There and back again: one cache, ours, with its expiry.
func TestProviderOverOurs(t *testing.T) {
	expires := time.Now().Add(time.Hour).Round(0)
	ours := &stschain.Cache{Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("secret"), Expires: expires}, nil
	})}
	there := &awssdk.CredentialsProvider{Credentials: ours}
	back := &awssdk.Provider{Provider: there}
	got, err := back.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, expires, got.Expires)
	back.Invalidate(got)
	require.True(t, ours.Status().Rejected)

	_, err = (&awssdk.Provider{Provider: aws.NewCredentialsCache(there)}).Retrieve(t.Context())
	require.ErrorContains(t, err, "TellExpiry", "the SDK's cache hides the expiry")

	_, err = (&awssdk.Provider{Provider: &awssdk.CredentialsProvider{Credentials: stschain.Static("", "", "")}}).Retrieve(t.Context())
	require.ErrorContains(t, err, "awssdk: ")
	require.ErrorContains(t, err, "static credentials are empty")
	require.False(t, stschain.IsUnavailable(err), "a chain must not go on")
}

// Only the SDK's own types show what they hold, and no text of ours shows them.
func TestSecrets(t *testing.T) {
	const secret = "a-secret-of-the-sdk"
	synctest.Test(t, func(t *testing.T) {
		creds, err := (&awssdk.Provider{Provider: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", secret, secret)}).Retrieve(t.Context())
		require.NoError(t, err)
		ours := &awssdk.CredentialsProvider{Credentials: stschain.Static("AKIDEXAMPLE", secret, secret)}
		_, err = ours.Retrieve(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		theirs := &awssdk.Provider{Provider: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", secret, secret)}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "p", theirs)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %s %v", theirs, theirs, theirs, theirs, struct{ P stschain.Provider }{theirs})+log.String(), secret)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v %v", ours, ours, ours, creds), secret)
	})
}

func TestProviderContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	p := &awssdk.Provider{Provider: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		calls++
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, ctx.Err()
	})}
	var none context.Context
	_, err := p.Retrieve(none)
	require.NoError(t, err)
	cancel()
	_, err = p.Retrieve(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, calls)
}

// Only a provider of stschain has an identity: that of its Credentials. TellExpiry does not count.
func TestProviderIdentity(t *testing.T) {
	for key, want := range map[string]bool{"secret": true, "other": false} {
		ours := &awssdk.CredentialsProvider{Credentials: stschain.Static("AKIDEXAMPLE", key, ""), TellExpiry: true}
		i, err := (&awssdk.Provider{Provider: ours}).Identity(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, i == (stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("secret")}).Identity())
	}
	for _, p := range []aws.CredentialsProvider{nil, sdk(aws.Credentials{}, nil), &awssdk.CredentialsProvider{}} {
		_, err := (&awssdk.Provider{Provider: p}).Identity(t.Context())
		require.ErrorContains(t, err, " has no identity: ")
		require.ErrorIs(t, err, stschain.ErrPermanent)
	}
}
