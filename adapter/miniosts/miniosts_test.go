package miniosts_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/miniosts"
)

// minio-go signs with the credentials of our cache: with the old ones while a refresh is in flight, and no caller waits
// on minio-go's lock meanwhile.
// https://github.com/restic/restic/issues/4472
func TestNobodyWaitsForARefresh(t *testing.T) {
	w := newWorld(t)
	respond := make(chan struct{})
	w.cache.Provider = stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		if w.cache.Status().Attempts > 1 {
			<-respond
		}
		return w.assume(ctx)
	})
	refreshed := make(chan struct{}, 1)
	w.cache.OnEvent = func(e stschain.Event) {
		if e.Kind == stschain.Refreshed {
			refreshed <- struct{}{}
		}
	}
	client := w.client(t, &miniosts.CredentialsProvider{Credentials: w.cache}, w.bucket())

	require.NoError(t, put(t.Context(), client))
	<-refreshed
	first := w.cache.Status().AccessKeyID
	require.Equal(t, first, w.last())

	w.clock.Add(50 * time.Minute) // into the advisory window
	require.Equal(t, stschain.Advisory, w.cache.Status().Phase)
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			if err := put(t.Context(), client); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait() // although the refresh has no response yet
	require.Eventually(t, func() bool { return w.cache.Status().Attempts == 2 }, 10*time.Second, time.Millisecond)
	require.Equal(t, first, w.last())

	close(respond)
	<-refreshed
	require.NoError(t, put(t.Context(), client))
	require.NotEqual(t, first, w.last())
	require.Equal(t, w.cache.Status().AccessKeyID, w.last())
	require.Equal(t, 2, w.sts.Count("AssumeRole"))
	require.EqualValues(t, 1, w.cache.Status().Waits)
}

// A rejected token is replaced, and minio-go's next attempt uses the new one.
func TestRetryRejected(t *testing.T) {
	w := newWorld(t)
	provider := &miniosts.CredentialsProvider{Credentials: w.cache}
	client := w.client(t, provider, provider.RetryRejected(w.bucket()))
	require.NoError(t, put(t.Context(), client))
	first := w.last()

	w.clock.Add(time.Minute) // what came just now is not fetched again
	require.True(t, w.sts.Revoke(first))
	require.NoError(t, put(t.Context(), client))
	require.NotEqual(t, first, w.last())
	require.Equal(t, 2, w.sts.Count("AssumeRole"))
}

// A caller who leaves gets the reason, by minio-go's context and by the client's,
// does no harm, and gets the cached credentials.
func TestCancelledContext(t *testing.T) {
	w := newWorld(t)
	requested, respond := make(chan struct{}), make(chan struct{})
	w.cache.Provider = stschain.ProviderFunc(func(ctx context.Context) (stschain.Credentials, error) {
		close(requested)
		<-respond
		return w.assume(ctx)
	})
	provider := &miniosts.CredentialsProvider{Credentials: w.cache}
	client := w.client(t, provider, w.bucket())
	left, leave := context.WithCancel(t.Context())
	gone, direct := make(chan error, 1), make(chan error, 1)
	go func() { gone <- put(left, client) }()
	go func() {
		_, err := provider.RetrieveWithCredContext(&credentials.CredContext{Context: left})
		direct <- err
	}()
	<-requested
	leave()
	require.ErrorIs(t, <-gone, context.Canceled)
	require.ErrorIs(t, <-direct, context.Canceled)
	close(respond)
	require.NoError(t, put(t.Context(), client))

	_, err := provider.RetrieveWithCredContext(&credentials.CredContext{Context: left})
	require.NoError(t, err)
}

// The caller of minio-go gets the error, and no request is sent without a signature.
func TestErrorReachesTheCaller(t *testing.T) {
	w := newWorld(t)
	w.cache.Provider = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, errTest
	})
	err := put(t.Context(), w.client(t, &miniosts.CredentialsProvider{Credentials: w.cache}, w.bucket()))
	require.ErrorIs(t, err, errTest)
	require.Empty(t, w.used)
}

// Responses reach minio-go as they were, and only a rejection of our credentials invalidates them.
func TestRetryRejectedResponses(t *testing.T) {
	const rejection = "<Error><Code>InvalidTokenId</Code></Error>"
	for _, tt := range []struct {
		signedBy, body string
		rejected       bool
	}{
		{"AKIDEXAMPLE", rejection, true},
		{"AKIDOTHER", rejection, false},
		{"", rejection, false},
		{"AKIDEXAMPLE", "<Error><Code>AccessDenied</Code></Error>", false},
		{"AKIDEXAMPLE", "", false},
	} {
		cache := &stschain.Cache{Provider: stschain.Static("AKIDEXAMPLE", "secret", "token")}
		_, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		provider := &miniosts.CredentialsProvider{Credentials: cache}
		transport := provider.RetryRejected(roundTripper(func(*http.Request) (*http.Response, error) { // without a Request
			return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(tt.body))}, nil
		}))
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://s3.example/bucket/key", nil)
		if tt.signedBy != "" {
			req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+tt.signedBy+"/20261121/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=00")
		}
		resp, err := transport.RoundTrip(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, tt.body, string(body))
		require.Equal(t, tt.rejected, cache.Status().Rejected, "%v", tt)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestValue(t *testing.T) {
	for _, expires := range []time.Time{{}, time.Now().Add(time.Hour).Round(0)} {
		p := &miniosts.CredentialsProvider{Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return stschain.Credentials{
				AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret("secret"), SessionToken: stschain.NewSecret("token"), Expires: expires,
			}, nil
		})}
		want := credentials.Value{
			AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "token",
			Expiration: expires, SignerType: credentials.SignatureV4,
		}
		for _, cc := range []*credentials.CredContext{nil, {}} {
			got, err := credentials.New(p).GetWithContext(cc)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		got, err := p.Retrieve()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := (&miniosts.CredentialsProvider{}).Retrieve()
	require.EqualError(t, err, "miniosts: CredentialsProvider.Credentials is required")
}
