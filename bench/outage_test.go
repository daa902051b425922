package bench_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	miniocreds "github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// What callers get while the source is down: the credentials are valid for an hour, and no second refresh succeeds.
func TestOutage(t *testing.T) {
	down := errors.New("the source is down")
	synctest.Test(t, func(t *testing.T) {
		var ourCalls, sdkCalls, earlyCalls, minioCalls int
		source := func(calls *int) error { // the first call of each succeeds
			time.Sleep(200 * time.Millisecond)
			if *calls++; *calls > 1 {
				return down
			}
			return nil
		}
		expires := time.Now().Add(time.Hour)
		sdk := func(calls *int) aws.CredentialsProvider {
			return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return sdkCredentials(expires), source(calls)
			})
		}
		ours := &stschain.Cache{Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return ourCredentials(expires), source(&ourCalls)
		})}
		theirs := aws.NewCredentialsCache(sdk(&sdkCalls))
		early := aws.NewCredentialsCache(sdk(&earlyCalls), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 15 * time.Minute })
		minio := miniocreds.New(&minioOutage{expires: expires, call: func() error { return source(&minioCalls) }})

		got := func(call func() error) string {
			began := time.Now()
			err := call()
			switch {
			case err != nil:
				return "an error"
			case time.Since(began) > 0:
				return "credentials, after a wait"
			}
			return "credentials"
		}
		each := func() []string {
			return []string{
				got(func() error { _, err := ours.Retrieve(t.Context()); return err }),
				got(func() error { _, err := theirs.Retrieve(t.Context()); return err }),
				got(func() error { _, err := early.Retrieve(t.Context()); return err }),
				got(func() error { _, err := minio.GetWithContext(nil); return err }),
			}
		}
		began := time.Now()
		for _, tt := range []struct {
			minute int
			want   []string // stschain, the SDK, with an ExpiryWindow of 15 minutes, minio-go
		}{
			{0, []string{"credentials, after a wait", "credentials, after a wait", "credentials, after a wait", "credentials, after a wait"}},
			{40, []string{"credentials", "credentials", "credentials", "credentials"}},
			{47, []string{"credentials", "credentials", "an error", "credentials"}},
			{49, []string{"credentials", "credentials", "an error", "an error"}},
			{59, []string{"credentials", "credentials", "an error", "an error"}},
			{61, []string{"an error", "an error", "an error", "an error"}},
		} {
			time.Sleep(time.Duration(tt.minute)*time.Minute - time.Since(began))
			require.Equal(t, tt.want, each(), "minute %d", tt.minute)
			synctest.Wait()
		}
		require.Greater(t, ourCalls, 2, "attempts began while the credentials were valid")
		require.Equal(t, 2, sdkCalls, "and here only after they expired")
	})
}

type minioOutage struct {
	miniocreds.Expiry
	expires time.Time
	call    func() error
}

func (s *minioOutage) Retrieve() (miniocreds.Value, error) { return s.RetrieveWithCredContext(nil) }

func (s *minioOutage) RetrieveWithCredContext(*miniocreds.CredContext) (miniocreds.Value, error) {
	if err := s.call(); err != nil {
		return miniocreds.Value{}, err
	}
	s.SetExpiration(s.expires, miniocreds.DefaultExpiryWindow)
	return minioCredentials(s.expires), nil
}
