package sessiontoken_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/sessiontoken"
	"github.com/stschain-go/stschain/ststest"
)

// What happens to codes on the way from the person to STS.
// Peers: aws-cli#1985 (users.md 6.41).
func TestMFA(t *testing.T) {
	for name, test := range map[string]struct {
		given    []string // codes that the person gives; the device shows 471101
		faults   []ststest.Fault
		sent     []string
		err      string
		prompted int
	}{
		"right":               {given: []string{"471101"}, sent: []string{"471101"}, prompted: 1},
		"wrong, then right":   {given: []string{"471199", "471101"}, sent: []string{"471199", "471101"}, prompted: 2},
		"wrong twice":         {given: []string{"471199", "471188", "471101"}, sent: []string{"471199", "471188"}, err: "MultiFactorAuthentication failed", prompted: 2},
		"the same code again": {given: []string{"471199", "471199"}, sent: []string{"471199"}, err: "the same code again", prompted: 2},
		"wrong, then gone":    {given: []string{"471199"}, sent: []string{"471199"}, err: "the person left", prompted: 2},
		"gone":                {err: "no MFA code: the person left", prompted: 1},
		"empty":               {given: []string{"\n"}, err: "MFAToken gave an empty one", prompted: 1},
		"throttled":           {given: []string{"471101"}, faults: []ststest.Fault{ststest.Throttle()}, sent: []string{"471101", "471101"}, prompted: 1},
		"lost":                {given: []string{"471101"}, faults: []ststest.Fault{ststest.Disconnect()}, sent: []string{"471101"}, err: "EOF", prompted: 1},
		"broken":              {given: []string{"471101"}, faults: []ststest.Fault{ststest.Refuse(500, "InternalFailure", "sorry")}, sent: []string{"471101"}, err: "InternalFailure", prompted: 1},
		"denied otherwise":    {given: []string{"471101"}, faults: []ststest.Fault{ststest.Refuse(403, "AccessDenied", "no")}, sent: []string{"471101"}, err: "AccessDenied", prompted: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := ststest.NewTest(t)
				srv.AllowRefusals()
				srv.AddMFA(ststest.MFA{Serial: serial, Codes: []string{"471101"}})
				srv.FailNext(test.faults...)
				prompted := 0
				give := codes(test.given...)
				p := &sessiontoken.Provider{Client: clientOf(srv, srv.User()), SerialNumber: serial,
					MFAToken: func(ctx context.Context, s string) (stschain.Secret, error) {
						prompted++
						require.Equal(t, serial, s)
						return give(ctx, s)
					}}
				_, err := p.Retrieve(t.Context())
				if test.err == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, test.err)
					for _, code := range test.given {
						if code = strings.TrimSpace(code); code != "" {
							canary.Check(t, code, err)
						}
					}
				}
				require.Equal(t, test.prompted, prompted)
				var sent []string
				for _, c := range srv.Calls() {
					sent = append(sent, c.Form.Get("TokenCode"))
				}
				require.Equal(t, test.sent, sent)
			})
		})
	}
}

// A code that made a session makes no second one: the device has to show another.
// Peers: aws-sdk-go#842, varlock#1044 (users.md 4.37, 6.43).
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

// Many callers of many roles come at once: one of them prompts. Callers who leave
// leave the question to the others.
// Peers: aws-sdk-go#842, granted#371 (users.md 4.37, 6.40).
func TestMFAOnePrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		device := srv.AddTOTP("alice")
		var prompted atomic.Int32
		session := stschain.Cached(&sessiontoken.Provider{Client: clientOf(srv, srv.User()), SerialNumber: device.Serial,
			MFAToken: func(ctx context.Context, serial string) (stschain.Secret, error) {
				prompted.Add(1)
				<-time.After(2 * time.Minute) // people are slow; on synctest's clock
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
					t.Errorf("%s: %v, and the caller left", arn, err)
				}
			})
		}
		callers.Wait()
		require.EqualValues(t, 1, prompted.Load())
		require.Equal(t, 1, srv.Count("GetSessionToken"))
		require.Equal(t, 4, srv.Count("AssumeRole"))
	})
}

// The roles are refreshed with the session that is there; nobody is asked until it
// ends, and then when somebody needs it.
// Peers: aws-sdk-go#842 (users.md 4.37).
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
	require.Equal(t, 2, prompted, "the session has ended, and somebody needs it")
	require.Equal(t, 2, srv.Count("GetSessionToken"))
}

// A prompt that hangs does not outlive its caller's patience, behind a Cache, and
// is asked again when it ended.
func TestMFAHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		device := srv.AddTOTP("alice")
		asked := 0
		session := stschain.Cached(&sessiontoken.Provider{Client: clientOf(srv, srv.User()), SerialNumber: device.Serial,
			MFAToken: func(ctx context.Context, serial string) (stschain.Secret, error) {
				if asked++; asked == 1 {
					<-ctx.Done()
					return stschain.Secret{}, ctx.Err()
				}
				return device.MFAToken(ctx, serial)
			}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := session.Retrieve(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		began := time.Now()
		_, err = session.Retrieve(t.Context())
		require.ErrorContains(t, err, "sessiontoken: no MFA code: context deadline exceeded")
		require.Equal(t, 5*time.Minute-time.Second, time.Since(began), "it shares the prompt of the caller who left")
		require.Zero(t, srv.Count("GetSessionToken"))

		<-time.After(time.Minute) // on synctest's clock
		_, err = session.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, asked)
	})
}

// Nobody is asked for a code that cannot be used.
func TestMFANoPromptWithoutBase(t *testing.T) {
	srv := ststest.NewTest(t)
	p := &sessiontoken.Provider{
		Client: clientOf(srv, stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return stschain.Credentials{}, errors.New("the base is down")
		})),
		SerialNumber: serial,
		MFAToken: func(context.Context, string) (stschain.Secret, error) {
			t.Error("a person was asked")
			return stschain.Secret{}, errors.New("no")
		}}
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "the base is down")
}
