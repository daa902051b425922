package assumerole_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const (
	roleARN = "arn:aws:iam::123456789012:role/ops/backup"
	serial  = "arn:aws:iam::123456789012:mfa/alice"
)

// over is a provider of the role over a base.
func over(srv *ststest.Server, base stschain.Provider) *assumerole.Provider {
	return &assumerole.Provider{
		Client:  &stsquery.Client{Credentials: base, Region: "eu-west-1", HTTPClient: srv.Client(), Clock: srv.Clock},
		RoleARN: roleARN,
	}
}

func TestRetrieve(t *testing.T) {
	srv := ststest.NewTest(t)
	p := over(srv, srv.User())
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "assumerole "+roleARN, creds.Origin)
	require.Equal(t, "123456789012", creds.AccountID)
	require.WithinDuration(t, time.Now().Add(time.Hour), creds.Expires, time.Minute)

	name := srv.Calls()[0].Form.Get("RoleSessionName")
	require.Regexp(t, `^assumerole\.test@[\w+=,.-]+$`, name, "it says who we are")
}

// Every field reaches STS, and the whole answer can be had.
// Peers: aws-sdk-go-v2#1575, seaweedfs#10777 (users.md 4.51, 1.2.9).
func TestAllFields(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AddRole(ststest.Role{ARN: roleARN, ExternalID: "customer-1", MFA: true})
	srv.AddMFA(ststest.MFA{Serial: serial, Codes: []string{"123456"}})
	p := over(srv, srv.User())
	p.SessionName = "nightly"
	p.Duration = 30 * time.Minute
	p.ExternalID = "customer-1"
	p.Policy = `{"Version":"2012-10-17"}`
	p.PolicyARNs = []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}
	p.Tags = []stsquery.Tag{{Key: "team", Value: "ops"}}
	p.TransitiveTagKeys = []string{"team"}
	p.SourceIdentity = "alice"
	p.SerialNumber = serial
	p.MFAToken = codes("123456\n")
	p.ProvidedContexts = []stsquery.ProvidedContext{{ProviderARN: "arn:aws:iam::aws:contextProvider/IdentityCenter", Assertion: stschain.NewSecret("assertion")}}
	p.MinimumSessionTokenSize = 100

	out, err := p.AssumeRole(t.Context())
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/nightly", out.AssumedRoleUser.ARN)
	require.Equal(t, "alice", out.SourceIdentity)
	require.NotEmpty(t, out.RequestID)
	require.WithinDuration(t, time.Now().Add(30*time.Minute), out.Credentials.Expires, time.Minute)

	form := srv.Calls()[0].Form
	for name, want := range map[string]string{
		"RoleArn": roleARN, "RoleSessionName": "nightly", "DurationSeconds": "1800", "ExternalId": "customer-1", "Policy": p.Policy,
		"PolicyArns.member.1.arn": p.PolicyARNs[0], "Tags.member.1.Key": "team", "Tags.member.1.Value": "ops", "TransitiveTagKeys.member.1": "team",
		"SourceIdentity": "alice", "SerialNumber": serial, "TokenCode": "123456", "MinimumSessionTokenSize": "100",
		"ProvidedContexts.member.1.ProviderArn": p.ProvidedContexts[0].ProviderARN, "ProvidedContexts.member.1.ContextAssertion": "assertion",
	} {
		require.Equal(t, want, form.Get(name), name)
	}
}

// codes gives one after the other, and then an error.
func codes(list ...string) func(context.Context, string) (stschain.Secret, error) {
	return func(context.Context, string) (stschain.Secret, error) {
		if len(list) == 0 {
			return stschain.Secret{}, errors.New("the person left")
		}
		code := list[0]
		list = list[1:]
		return stschain.NewSecret(code), nil
	}
}

// Peers: aws-sdk-go#2311 (users.md 4.38).
func TestMissingFields(t *testing.T) {
	keys := stschain.Static("AKIDEXAMPLE", "secret", "")
	client := func() *stsquery.Client { return &stsquery.Client{Credentials: keys, Region: "us-east-1"} }
	for name, test := range map[string]struct {
		provider *assumerole.Provider
		want     string
	}{
		"nil":                 {nil, "assumerole: the Provider is nil"},
		"zero":                {&assumerole.Provider{}, "assumerole: Client is missing"},
		"zero client":         {&assumerole.Provider{Client: &stsquery.Client{}, RoleARN: roleARN}, "Client.Credentials is missing"},
		"no region":           {&assumerole.Provider{Client: &stsquery.Client{Credentials: keys}, RoleARN: roleARN}, "Client.Region is missing"},
		"no role":             {&assumerole.Provider{Client: client()}, "RoleARN is missing"},
		"duration":            {&assumerole.Provider{Client: client(), RoleARN: roleARN, Duration: 1500 * time.Millisecond}, "Duration is 1.5s, and only whole seconds"},
		"serial without code": {&assumerole.Provider{Client: client(), RoleARN: roleARN, SerialNumber: serial}, "MFAToken is missing"},
		"code without serial": {&assumerole.Provider{Client: client(), RoleARN: roleARN, MFAToken: codes()}, "SerialNumber is missing"},
		"nil base": {&assumerole.Provider{Client: &stsquery.Client{Region: "us-east-1", Credentials: (*assumerole.Provider)(nil)}, RoleARN: roleARN},
			"the Provider is nil"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.provider.Retrieve(t.Context())
			require.ErrorContains(t, err, test.want)
			require.True(t, strings.HasPrefix(err.Error(), "assumerole: "), err.Error())
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.False(t, stschain.IsUnavailable(err), "%v", err)

			// What else it can be asked does not panic.
			_ = test.provider.String()
			test.provider.Providers()
		})
	}
}

// A server that is not AWS may do without a role.
// Peers: minio#21421 (users.md 1.2.11).
func TestNoRole(t *testing.T) {
	c := &stsquery.Client{Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), Region: "us-east-1", Endpoint: "https://minio.example.com",
		HTTPClient: answers(`<AssumedRoleUser><Arn></Arn><AssumeRoleId></AssumeRoleId></AssumedRoleUser>`)}
	p := &assumerole.Provider{Client: c}
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "assumerole", creds.Origin)
	require.Empty(t, creds.AccountID)
}

// answers is an http.Client with a server that assumes every role alike.
func answers(user string) *http.Client {
	body := `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey>` +
		`<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>` + user + `</AssumeRoleResult></AssumeRoleResponse>`
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Credentials of another role than was asked for are not used.
func TestOtherRole(t *testing.T) {
	c := &stsquery.Client{Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), Region: "us-east-1",
		HTTPClient: answers(`<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/admin/s</Arn></AssumedRoleUser>`)}
	creds, err := (&assumerole.Provider{Client: c, RoleARN: roleARN}).Retrieve(t.Context())
	require.ErrorContains(t, err, "another role, arn:aws:sts::123456789012:assumed-role/admin/s")
	require.Zero(t, creds)
}

// A role over an absent base is a failed role, which a chain must not pass over.
func TestUnavailableBase(t *testing.T) {
	srv := ststest.NewTest(t)
	role := over(srv, stschain.Static("", "", ""))
	_, err := role.Retrieve(t.Context())
	require.False(t, stschain.IsUnavailable(err), "%v", err)

	mine := srv.User()
	_, err = stschain.NewChain(role, mine).Retrieve(t.Context())
	require.Error(t, err)
	require.False(t, stschain.IsUnavailable(err), "%v", err)

	asks := over(srv, srv.User())
	asks.SerialNumber = serial
	asks.MFAToken = func(context.Context, string) (stschain.Secret, error) {
		return stschain.Secret{}, stschain.Unavailable("no device")
	}
	_, err = asks.Retrieve(t.Context())
	require.ErrorContains(t, err, "no device")
	require.False(t, stschain.IsUnavailable(err), "%v", err)
}

func TestDenied(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.DenyUndeclared = true
	srv.AllowRefusals("AccessDenied")
	_, err := over(srv, srv.User()).Retrieve(t.Context())
	require.ErrorIs(t, err, stschain.ErrPermanent)
	var e *stsquery.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "AccessDenied", e.Code)
	require.ErrorContains(t, err, roleARN)
	require.ErrorContains(t, err, "trust policy")
}

// Each hop of a chain is cached: a refresh of the last role costs one call.
// Peers: aws-sdk-go-v2#1718, aws-sdk-cpp#1684 (users.md 4.29, 6.54).
func TestRoleChain(t *testing.T) {
	fake := clock.NewMock()
	fake.Set(time.Now())
	srv := ststest.NewTest(t)
	srv.Clock = fake
	hop := func(n int, base stschain.Provider, duration time.Duration) *assumerole.Provider {
		p := over(srv, base)
		p.Client.Region = fmt.Sprintf("eu-west-%d", n)
		p.RoleARN = fmt.Sprintf("arn:aws:iam::12345678901%d:role/r%d", n, n)
		p.Duration = duration
		return p
	}
	first := hop(1, srv.User(), 12*time.Hour)
	second := hop(2, first, time.Hour)
	third := hop(3, second, 15*time.Minute)
	last := &stschain.Cache{Provider: third, Clock: fake}

	creds, err := last.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "123456789013", creds.AccountID)
	require.Equal(t, 3, srv.Count("AssumeRole"))
	regions := []string{}
	for _, c := range srv.Calls() {
		regions = append(regions, c.Region)
	}
	require.Equal(t, []string{"eu-west-1", "eu-west-2", "eu-west-3"}, regions)

	fake.Add(16 * time.Minute)
	_, err = last.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, srv.Count("AssumeRole"))

	// Reports can walk it.
	walk := []string{}
	for p := stschain.Provider(last); p != nil; {
		walk = append(walk, fmt.Sprint(p))
		parent, ok := p.(stschain.Parent)
		if !ok || len(parent.Providers()) == 0 {
			break
		}
		p = parent.Providers()[0]
	}
	require.Equal(t, []string{
		third.String(), third.String(), second.String(), second.String(), first.String(), first.String(),
		srv.User().String(), srv.User().String(),
	}, walk, "each with the cache over it")
}

// Peers: aws-sdk-go-v2#1384, aws-sdk-go#842 (users.md 4.39, 6.39).
func TestMFA(t *testing.T) {
	for name, test := range map[string]struct {
		device   []string // codes that the device shows
		given    []string // codes that the person gives
		faults   []ststest.Fault
		sent     []string
		err      string
		prompted int
	}{
		"right":                 {device: []string{"471101"}, given: []string{"471101"}, sent: []string{"471101"}, prompted: 1},
		"with white space":      {device: []string{"471101"}, given: []string{" 471101\r\n"}, sent: []string{"471101"}, prompted: 1},
		"wrong, then right":     {device: []string{"471101"}, given: []string{"471199", "471101"}, sent: []string{"471199", "471101"}, prompted: 2},
		"wrong twice":           {device: []string{"471101"}, given: []string{"471199", "471188", "471101"}, sent: []string{"471199", "471188"}, err: "MultiFactorAuthentication failed", prompted: 2},
		"the same code again":   {device: []string{"471101"}, given: []string{"471199", "471199"}, sent: []string{"471199"}, err: "the same code again", prompted: 2},
		"wrong, then gone":      {device: []string{"471101"}, given: []string{"471199"}, sent: []string{"471199"}, err: "the person left", prompted: 2},
		"gone":                  {err: "no MFA code: the person left", prompted: 1},
		"empty":                 {given: []string{" "}, err: "MFAToken gave an empty one", prompted: 1},
		"throttled":             {device: []string{"471101"}, given: []string{"471101"}, faults: []ststest.Fault{ststest.Throttle()}, sent: []string{"471101", "471101"}, prompted: 1},
		"lost":                  {device: []string{"471101"}, given: []string{"471101"}, faults: []ststest.Fault{ststest.Disconnect()}, sent: []string{"471101"}, err: "EOF", prompted: 1},
		"denied for other ways": {device: []string{"471101"}, given: []string{"471101"}, faults: []ststest.Fault{ststest.Refuse(403, "AccessDenied", "no")}, sent: []string{"471101"}, err: "AccessDenied", prompted: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := ststest.NewTest(t)
				srv.AllowRefusals()
				srv.AddMFA(ststest.MFA{Serial: serial, Codes: test.device})
				srv.FailNext(test.faults...)
				prompted := 0
				p := over(srv, srv.User())
				p.SerialNumber = serial
				give := codes(test.given...)
				p.MFAToken = func(ctx context.Context, s string) (stschain.Secret, error) {
					prompted++
					require.Equal(t, serial, s)
					return give(ctx, s)
				}
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

// Nobody is asked for a code that cannot be used.
// Peers: varlock#1044 (users.md 6.43).
func TestNoPromptWithoutBase(t *testing.T) {
	srv := ststest.NewTest(t)
	p := over(srv, stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, errors.New("the base is down")
	}))
	p.SerialNumber = serial
	p.MFAToken = func(context.Context, string) (stschain.Secret, error) {
		t.Error("a person was asked")
		return stschain.Secret{}, errors.New("no")
	}
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "the base is down")
}

// A holder that is given a bare Provider, here the client of the next hop,
// assumes the role once for many requests.
// Peers: aws-sdk-go-v2#3233, litellm#27125, rusoto#1932 (users.md 4.20, 6.12, 6.21).
func TestNotPerRequest(t *testing.T) {
	srv := ststest.NewTest(t)
	next := &stsquery.Client{Credentials: over(srv, srv.User()), Region: "eu-west-1", HTTPClient: srv.Client()}
	for range 5 {
		who, err := next.GetCallerIdentity(t.Context())
		require.NoError(t, err)
		require.Contains(t, who.ARN, "assumed-role/backup/")
	}
	require.Equal(t, 1, srv.Count("AssumeRole"))
}

func TestCanary(t *testing.T) { synctest.Test(t, testCanary) }

func testCanary(t *testing.T) {
	const secret = "hunter4711/canary"
	c := &stsquery.Client{Credentials: stschain.Static("AKIDEXAMPLE", secret, secret), Region: "us-east-1", HTTPClient: answers("")}
	p := &assumerole.Provider{Client: c, RoleARN: roleARN, SerialNumber: serial, MFAToken: codes(secret),
		ProvidedContexts: []stsquery.ProvidedContext{{Assertion: stschain.NewSecret(secret)}}}
	_, err := p.Retrieve(t.Context())
	require.Error(t, err)
	synctest.Wait() // the cache's goroutine, or what is printed changes meanwhile
	canary.Check(t, secret, p, *p, err)
}

// A prompt that hangs does not outlive its caller's patience, behind a Cache.
func TestMFAHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		p := over(srv, srv.User())
		p.SerialNumber = serial
		var asked atomic.Int32
		p.MFAToken = func(ctx context.Context, _ string) (stschain.Secret, error) {
			asked.Add(1)
			<-ctx.Done()
			return stschain.Secret{}, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := stschain.Cached(p).Retrieve(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualValues(t, 1, asked.Load())
		<-time.After(6 * time.Minute) // the refresh has a bound of its own
		synctest.Wait()
	})
}
