package sessiontoken_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/sessiontoken"
	"github.com/stschain-go/stschain/ststest"
)

// A code works once: for a second session the device has to show another one.
// Reports: aws-sdk-go#842, varlock#1044.
func TestMFAUsedCode(t *testing.T) {
	fake := clock.NewMock()
	fake.Set(time.Date(2026, 11, 21, 12, 0, 10, 0, time.UTC))
	srv := ststest.NewTest(t)
	srv.AllowRefusals("AccessDenied")
	srv.Clock = fake
	device := srv.AddTOTP("alice")
	p := &sessiontoken.Provider{Client: clientOf(srv, srv.User()), SerialNumber: device.Serial, MFAToken: device.MFAToken}

	_, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "MultiFactorAuthentication failed")
	require.ErrorContains(t, err, "the same code again")
	require.ErrorIs(t, err, stschain.ErrPermanent)
	require.Equal(t, 2, srv.Count("GetSessionToken"), "it was not sent again")

	fake.Add(30 * time.Second)
	_, err = p.Retrieve(t.Context())
	require.NoError(t, err)
}

// Many callers of many roles at once cause one prompt. Callers that give up do not end it.
// Reports: aws-sdk-go#842, granted#371.
func TestMFAOnePrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		device := srv.AddTOTP("alice")
		var prompted atomic.Int32
		session := stschain.Cached(&sessiontoken.Provider{Client: clientOf(srv, srv.User()), SerialNumber: device.Serial,
			MFAToken: func(ctx context.Context, serial string) (stschain.Secret, error) {
				prompted.Add(1)
				<-time.After(2 * time.Minute) // on synctest's clock
				return device.MFAToken(ctx, serial)
			}})
		var callers sync.WaitGroup
		for i := range 4 {
			arn := fmt.Sprintf("arn:aws:iam::123456789012:role/r%d", i)
			srv.AddRole(ststest.Role{ARN: arn, MFA: true})
			role := stschain.Cached(&assumerole.Provider{Client: clientOf(srv, session), RoleARN: arn})
			for range 16 {
				callers.Go(func() {
					if _, err := role.Retrieve(t.Context()); err != nil {
						t.Errorf("%s: %v", arn, err)
					}
				})
			}
			callers.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := role.Retrieve(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v after the caller gave up", arn, err)
				}
			})
		}
		callers.Wait()
		require.EqualValues(t, 1, prompted.Load())
		require.Equal(t, 1, srv.Count("GetSessionToken"))
		require.Equal(t, 4, srv.Count("AssumeRole"))
	})
}

// The roles are refreshed with the cached session. There is no prompt until it expires and a caller
// needs it.
// Reports: aws-sdk-go#842.
func TestMFASessionServesRefreshes(t *testing.T) {
	fake := clock.NewMock()
	fake.Set(time.Date(2026, 11, 21, 12, 0, 10, 0, time.UTC))
	srv := ststest.NewTest(t)
	srv.Clock = fake
	device := srv.AddTOTP("alice")
	prompted := 0
	session := &stschain.Cache{Clock: fake, Provider: &sessiontoken.Provider{
		Client: clientOf(srv, srv.User()), SerialNumber: device.Serial,
		MFAToken: func(ctx context.Context, serial string) (stschain.Secret, error) {
			prompted++
			return device.MFAToken(ctx, serial)
		}}}
	var roles []*stschain.Cache
	for _, arn := range []string{"arn:aws:iam::123456789012:role/backup", "arn:aws:iam::123456789012:role/audit"} {
		srv.AddRole(ststest.Role{ARN: arn, MFA: true})
		roles = append(roles, &stschain.Cache{Clock: fake, Provider: &assumerole.Provider{Client: clientOf(srv, session), RoleARN: arn}})
	}
	use := func() {
		for _, role := range roles {
			_, err := role.Retrieve(t.Context())
			require.NoError(t, err)
		}
	}
	for hour := range 12 {
		use()
		require.Equal(t, 1, prompted, "hour %d", hour)
		require.Equal(t, 2*(hour+1), srv.Count("AssumeRole"))
		fake.Add(time.Hour)
	}
	require.Equal(t, 1, prompted)
	use()
	require.Equal(t, 2, prompted, "the session expired, and a caller needs it")
	require.Equal(t, 2, srv.Count("GetSessionToken"))
}
