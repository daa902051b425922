package stsquery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// rotating returns new credentials for each call.
type rotating struct {
	calls atomic.Int32
	life  time.Duration
}

func (r *rotating) Retrieve(context.Context) (stschain.Credentials, error) {
	n := r.calls.Add(1)
	return stschain.Credentials{
		AccessKeyID:     fmt.Sprintf("ASIA%d", n),
		SecretAccessKey: stschain.NewSecret(secretKey),
		SessionToken:    stschain.NewSecret(fmt.Sprint(sessionToken, n)),
		Expires:         time.Now().Add(r.life),
	}, nil
}

func keyOf(authorization string) string {
	_, rest, _ := strings.Cut(authorization, "Credential=")
	key, _, _ := strings.Cut(rest, "/")
	return key
}

// The three operations against a server that verifies what it is sent.
func TestOperations(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AddMFA(ststest.MFA{Serial: "arn:aws:iam::123456789012:mfa/alice", Codes: []string{"123456", "654321"}})
	c := &stsquery.Client{Credentials: srv.User(), Region: "eu-west-1", HTTPClient: srv.Client()}

	who, err := c.GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, srv.User().ARN, who.ARN)
	require.Equal(t, ststest.AccountID, who.Account)
	require.NotEmpty(t, who.UserID)
	require.NotEmpty(t, who.RequestID)

	session, err := c.GetSessionToken(t.Context(), stsquery.GetSessionTokenInput{
		Duration: time.Hour, SerialNumber: "arn:aws:iam::123456789012:mfa/alice", TokenCode: stschain.NewSecret("123456"),
	})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), session.Credentials.Expires, time.Minute)
	require.False(t, session.Credentials.SessionToken.IsZero())

	role, err := c.AssumeRole(t.Context(), stsquery.AssumeRoleInput{
		RoleARN:           "arn:aws:iam::123456789012:role/ops/backup",
		RoleSessionName:   "tester@example.com",
		Duration:          15 * time.Minute,
		Policy:            "{\n\t\"Version\": \"2012-10-17\"\n}",
		PolicyARNs:        []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
		Tags:              []stsquery.Tag{{Key: "Cost Center", Value: "ä+ö"}, {Key: "team", Value: ""}},
		TransitiveTagKeys: []string{"team"},
		ExternalID:        "customer:1/2",
		SourceIdentity:    "alice",
		SerialNumber:      "arn:aws:iam::123456789012:mfa/alice",
		TokenCode:         stschain.NewSecret("654321"),
	})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/tester@example.com", role.AssumedRoleUser.ARN)
	require.Equal(t, "alice", role.SourceIdentity)
	require.WithinDuration(t, time.Now().Add(15*time.Minute), role.Credentials.Expires, time.Minute)

	// And the result signs.
	as := &stsquery.Client{Credentials: provide(role.Credentials), Region: "eu-west-1", HTTPClient: srv.Client()}
	who, err = as.GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, role.AssumedRoleUser.ARN, who.ARN)
}

func provide(c stschain.Credentials) stschain.Provider {
	return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return c, nil })
}

// A missing field is an error of the first call.
func TestMissingFields(t *testing.T) {
	keys := stschain.Static("AKIDEXAMPLE", secretKey, "")
	for name, test := range map[string]struct {
		client *stsquery.Client
		want   string
	}{
		"zero client":            {&stsquery.Client{}, "Client.Credentials is missing"},
		"no credentials":         {&stsquery.Client{Region: "us-east-1"}, "Client.Credentials is missing"},
		"zero cache":             {&stsquery.Client{Region: "us-east-1", Credentials: &stschain.Cache{}}, "Cache.Provider is required"},
		"no region":              {&stsquery.Client{Credentials: keys}, "Client.Region is missing"},
		"endpoint but no region": {&stsquery.Client{Credentials: keys, Endpoint: "https://h"}, "Client.Region is missing"},
		"negative timeout":       {&stsquery.Client{Credentials: keys, Region: "us-east-1", AttemptTimeout: -1}, "Client.AttemptTimeout is -1ns"},
		"negative attempts":      {&stsquery.Client{Credentials: keys, Region: "us-east-1", Retry: stsquery.Retry{MaxAttempts: -1}}, "Client.Retry.MaxAttempts is -1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.client.GetCallerIdentity(t.Context())
			require.ErrorContains(t, err, test.want)
			var e *stsquery.Error
			require.ErrorAs(t, err, &e)
			require.Zero(t, e.Attempts)
			require.Equal(t, "GetCallerIdentity", e.Operation)
			_, err = test.client.Presign(t.Context(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
			require.ErrorContains(t, err, test.want)
		})
	}
	require.Empty(t, (*stsquery.Client)(nil).Providers())
	require.Empty(t, (&stsquery.Client{}).Providers())
}

// A client retrieves from a bare provider once, not once a request, and shares a Cache.
// Reports: minio-go#1321, aws-sdk-go-v2#3233.
func TestCredentialsAreCached(t *testing.T) {
	base := &rotating{life: time.Hour}
	c, s := scripted(ok, ok, ok)
	c.Credentials = base
	for range 3 {
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, base.calls.Load())
	require.Equal(t, "ASIA1", keyOf(s.auth[2]))
	require.IsType(t, (*stschain.Cache)(nil), c.Providers()[0])
	require.Same(t, c.Providers()[0], c.Providers()[0])

	shared := &stschain.Cache{Provider: base}
	require.Same(t, shared, (&stsquery.Client{Credentials: shared}).Providers()[0])
}

// Credentials that cannot sign are an error before anything is sent.
func TestUnusableCredentials(t *testing.T) {
	c, s := scripted(ok)
	c.Credentials = provide(stschain.Credentials{AccessKeyID: "AKID EXAMPLE", SecretAccessKey: stschain.NewSecret(secretKey)})
	_, err := c.AssumeRole(t.Context(), roleInput)
	require.ErrorContains(t, err, "cannot be signed")
	require.Empty(t, s.auth)
}

// The client's clock dates signatures and drives the cache that it owns, and
// does not change a shared one.
// Report: aws-sdk-go-v2#1952.
func TestClock(t *testing.T) {
	srv := ststest.NewTest(t)
	fake := clock.NewMock()
	fake.Set(time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC))
	srv.Clock = fake
	shared := &stschain.Cache{Provider: srv.User()}
	for _, creds := range []stschain.Provider{srv.User(), shared} {
		c := &stsquery.Client{Credentials: creds, Region: "us-east-1", HTTPClient: srv.Client(), Clock: fake}
		_, err := c.GetCallerIdentity(t.Context())
		require.NoError(t, err)
		owned := c.Providers()[0].(*stschain.Cache)
		if owned == shared {
			require.Nil(t, owned.Clock)
		} else {
			require.Equal(t, stschain.Clock(fake), owned.Clock)
		}
	}
}

// touchy fails the test if it is called.
type touchy struct{ t *testing.T }

func (p touchy) Retrieve(context.Context) (stschain.Credentials, error) {
	p.t.Error("credentials were retrieved")
	panic("called")
}

// A call whose base has no keys is a failed call: a chain must not pass it over.
func TestUnavailableIsHidden(t *testing.T) {
	c, s := scripted()
	c.Credentials = stschain.NewChain(stschain.Static("", "", ""))
	_, err := c.AssumeRole(t.Context(), roleInput)
	require.ErrorContains(t, err, "no credentials to sign with")
	require.False(t, stschain.IsUnavailable(err), "%v", err)
	var chain *stschain.ChainError
	require.ErrorAs(t, err, &chain, "what else there was stays reachable")
	require.Empty(t, s.auth)
	_, err = c.Presign(t.Context(), stsquery.PresignInput{Input: roleInput})
	require.False(t, stschain.IsUnavailable(err), "%v", err)

	// What is permanent for the base is permanent for the call.
	c, _ = scripted()
	c.Credentials = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, fmt.Errorf("no: %w", stschain.ErrPermanent)
	})
	_, err = c.AssumeRole(t.Context(), roleInput)
	require.ErrorIs(t, err, stschain.ErrPermanent)
}

// Codes that say the signing credentials are rejected: exactly those are
// invalidated, and the request is sent once more, with others.
// Report: cockroach#169763.
func TestRejectedCredentials(t *testing.T) {
	for name, test := range map[string]struct {
		steps []step
		keys  []string
		code  string
	}{
		"ExpiredToken":                        {[]step{fault(403, "ExpiredToken"), ok}, []string{"ASIA1", "ASIA2"}, ""},
		"ExpiredTokenException":               {[]step{fault(400, "ExpiredTokenException"), ok}, []string{"ASIA1", "ASIA2"}, ""},
		"InvalidToken":                        {[]step{fault(400, "InvalidToken"), ok}, []string{"ASIA1", "ASIA2"}, ""},
		"twice":                               {[]step{fault(403, "ExpiredToken"), fault(403, "ExpiredToken"), ok}, []string{"ASIA1", "ASIA2"}, "ExpiredToken"},
		"AccessDenied":                        {[]step{denied, ok}, []string{"ASIA1"}, "AccessDenied"},
		"InvalidClientTokenId":                {[]step{fault(403, "InvalidClientTokenId"), ok}, []string{"ASIA1"}, "InvalidClientTokenId"},
		"the replay has the retries still":    {[]step{fault(403, "ExpiredToken"), down, down, ok}, []string{"ASIA1", "ASIA2", "ASIA2", "ASIA2"}, ""},
		"after retries":                       {[]step{down, down, fault(403, "ExpiredToken"), ok}, []string{"ASIA1", "ASIA1", "ASIA1", "ASIA2"}, ""},
		"not an error of STS":                 {[]step{{status: 403, body: "ExpiredToken"}, ok}, []string{"ASIA1"}, ""},
		"an assertion may have expired, once": {[]step{fault(400, "ExpiredTokenException"), fault(400, "ExpiredTokenException")}, []string{"ASIA1", "ASIA2"}, "ExpiredTokenException"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := scripted(test.steps...)
				c.Credentials = &rotating{life: time.Hour}
				c.Providers()[0].Retrieve(t.Context())
				<-time.After(2 * time.Second) // a Cache does not refresh twice within one
				_, err := c.AssumeRole(t.Context(), roleInput)
				var keys []string
				for _, a := range s.auth {
					keys = append(keys, keyOf(a))
				}
				require.Equal(t, test.keys, keys)
				var e *stsquery.Error
				if errors.As(err, &e) {
					require.Equal(t, test.code, e.Code)
					require.Equal(t, len(keys), e.Attempts)
				} else {
					require.NoError(t, err)
				}
				status := c.Providers()[0].(*stschain.Cache).Status()
				require.Equal(t, strings.HasPrefix(test.code, "ExpiredToken"), status.Rejected, "those of the replay are invalidated too")
			})
		})
	}
}

// A short secret that happens to be a part of a code does not hide it.
func TestCodeContainsSecret(t *testing.T) {
	c, _ := scripted(fault(403, "ExpiredToken"))
	c.Credentials = stschain.Static("AKIDEXAMPLE", "Expired", "Token")
	_, err := c.AssumeRole(t.Context(), roleInput)
	var e *stsquery.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "ExpiredToken", e.Code)
}

// A request with an MFA code is not sent again even so: a code works once.
func TestRejectedCredentialsWithMFA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := scripted(fault(403, "ExpiredToken"), ok)
		c.Credentials = &rotating{life: time.Hour}
		c.Providers()[0].Retrieve(t.Context())
		<-time.After(2 * time.Second)
		in := roleInput
		in.SerialNumber, in.TokenCode = "arn:aws:iam::123456789012:mfa/alice", stschain.NewSecret(mfaCode)
		_, err := c.AssumeRole(t.Context(), in)
		require.ErrorContains(t, err, "ExpiredToken")
		require.Len(t, s.auth, 1)
		_, err = c.AssumeRole(t.Context(), roleInput)
		require.NoError(t, err)
		require.Equal(t, "ASIA2", keyOf(s.auth[1]), "the next one has others")
	})
}

// New credentials that were cached while the request was in flight are not invalidated.
// Report: arrow-rs-object-store#805.
func TestOnlyTheRejectedAreInvalidated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &rotating{life: time.Hour}
		cache := &stschain.Cache{Provider: base}
		var keys []string
		c := &stsquery.Client{Credentials: cache, Region: "us-east-1", HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			keys = append(keys, keyOf(r.Header.Get("Authorization")))
			body := assumeRoleResponse
			if len(keys) == 1 {
				cached, _ := cache.Retrieve(r.Context())
				<-time.After(2 * time.Second)
				cache.Invalidate(cached)
				cache.Retrieve(r.Context()) // ASIA2
				<-time.After(2 * time.Second)
				body = stsError("ExpiredToken", "m")
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})}}
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.NoError(t, err)
		require.Equal(t, []string{"ASIA1", "ASIA2"}, keys)
		require.EqualValues(t, 2, base.calls.Load())
		require.False(t, cache.Status().Rejected)
	})
}

// Many first callers at once, of a server whose clock is off.
func TestConcurrentUse(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals()
	srv.FailAll(ststest.Skew(10 * time.Minute))
	base := &rotating{life: time.Hour}
	count := stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		base.calls.Add(1)
		return srv.User().Retrieve(ctx)
	})
	c := &stsquery.Client{Credentials: count, Region: "us-east-1", HTTPClient: srv.Client()}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := c.GetCallerIdentity(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := c.Presign(t.Context(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, base.calls.Load())
	require.InDelta(t, 10*time.Minute, c.Skew(), float64(2*time.Second))
}

// An endpoint's path and query are part of the request. FuzzPresign has those of a presigned one.
func TestEndpointPathAndQuery(t *testing.T) {
	const endpoint = "https://sts.example.com:8443/tenant%2Fa/sts?trace=a%20b"
	var got *http.Request
	c := &stsquery.Client{
		Credentials: stschain.Static("AKIDEXAMPLE", secretKey, ""), Region: "us-east-1", Endpoint: endpoint,
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			got = r
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(assumeRoleResponse)), Request: r}, nil
		})},
	}
	_, err := c.AssumeRole(t.Context(), roleInput)
	require.NoError(t, err)
	require.Equal(t, endpoint, got.URL.String())
	require.Equal(t, "stschain", got.UserAgent())
}
