package assumerole_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
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

// over returns a provider that assumes the role with the credentials of base.
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
	require.Regexp(t, `^assumerole\.test@[\w+=,.-]+$`, name, "program@host")
}

// Every field reaches STS, and AssumeRole returns the complete response.
// Reports: aws-sdk-go-v2#1575, seaweedfs#10777.
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

// withMFA returns a provider whose requests carry a code.
func withMFA(srv *ststest.Server, token func(context.Context, string) (stschain.Secret, error)) *assumerole.Provider {
	p := over(srv, srv.User())
	p.SerialNumber, p.MFAToken = serial, token
	return p
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

// Reports: aws-sdk-go#2311.
func TestMissingFields(t *testing.T) {
	keys := stschain.Static("AKIDEXAMPLE", "secret", "")
	client := &stsquery.Client{Credentials: keys, Region: "us-east-1"}
	for want, p := range map[string]assumerole.Provider{
		"assumerole: Client is missing":    {},
		"Client.Credentials is missing":    {Client: &stsquery.Client{}, RoleARN: roleARN},
		"Client.Region is missing":         {Client: &stsquery.Client{Credentials: keys}, RoleARN: roleARN},
		"RoleARN is missing":               {Client: client},
		"Duration is 1.5s":                 {Client: client, RoleARN: roleARN, Duration: 1500 * time.Millisecond},
		"SerialNumber and MFAToken":        {Client: client, RoleARN: roleARN, SerialNumber: serial},
		roleARN + ": SerialNumber and MFA": {Client: client, RoleARN: roleARN, MFAToken: codes()},
	} {
		_, err := p.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		require.True(t, strings.HasPrefix(err.Error(), "assumerole: "), err.Error())
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.False(t, stschain.IsUnavailable(err), "%v", err)
		_ = p.String() // and
		p.Providers()  // do not panic
	}
}

// Servers other than AWS may need no role.
// Reports: minio#21421.
func TestNoRole(t *testing.T) {
	c := &stsquery.Client{Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), Region: "us-east-1", Endpoint: "https://minio.example.com",
		HTTPClient: respond(`<AssumedRoleUser><Arn></Arn><AssumeRoleId></AssumeRoleId></AssumedRoleUser>`)}
	p := &assumerole.Provider{Client: c}
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "assumerole", creds.Origin)
	require.Empty(t, creds.AccountID)
}

// respond returns a client of a server whose every session has this AssumedRoleUser.
func respond(user string) *http.Client {
	body := `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey>` +
		`<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>` + user + `</AssumeRoleResult></AssumeRoleResponse>`
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Credentials of another role than the requested one are not used.
func TestOtherRole(t *testing.T) {
	c := &stsquery.Client{Credentials: stschain.Static("AKIDEXAMPLE", "secret", ""), Region: "us-east-1",
		HTTPClient: respond(`<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/admin/s</Arn></AssumedRoleUser>`)}
	creds, err := (&assumerole.Provider{Client: c, RoleARN: roleARN}).Retrieve(t.Context())
	require.ErrorContains(t, err, "another role, arn:aws:sts::123456789012:assumed-role/admin/s")
	require.Zero(t, creds)
}

// A role whose base is not configured has failed: a chain does not fall through.
func TestUnavailableBase(t *testing.T) {
	srv := ststest.NewTest(t)
	role := over(srv, stschain.Static("", "", ""))
	_, err := role.Retrieve(t.Context())
	require.False(t, stschain.IsUnavailable(err), "%v", err)

	_, err = stschain.NewChain(role, srv.User()).Retrieve(t.Context())
	require.Error(t, err)
	require.False(t, stschain.IsUnavailable(err), "%v", err)

	role = withMFA(srv, func(context.Context, string) (stschain.Secret, error) {
		return stschain.Secret{}, stschain.Unavailable("no device")
	})
	_, err = role.Retrieve(t.Context())
	require.ErrorContains(t, err, "no device")
	require.False(t, stschain.IsUnavailable(err), "%v", err)
}

// Each hop of a chain is cached: a refresh of the last role costs one call.
// Reports: aws-sdk-go-v2#1718, aws-sdk-cpp#1684.
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

// Reports: aws-sdk-go-v2#1384, aws-sdk-go#842.
func TestMFA(t *testing.T) {
	for name, test := range map[string]struct {
		device   []string // codes that the device shows
		given    []string // codes that MFAToken returns
		faults   []ststest.Fault
		sent     []string
		err      string
		prompted int
	}{
		"right":                {device: []string{"471101"}, given: []string{"471101"}, sent: []string{"471101"}, prompted: 1},
		"with white space":     {device: []string{"471101"}, given: []string{" 471101\r\n"}, sent: []string{"471101"}, prompted: 1},
		"wrong, then right":    {device: []string{"471101"}, given: []string{"471199", "471101"}, sent: []string{"471199", "471101"}, prompted: 2},
		"wrong twice":          {device: []string{"471101"}, given: []string{"471199", "471188", "471101"}, sent: []string{"471199", "471188"}, err: "MultiFactorAuthentication failed", prompted: 2},
		"the same code again":  {device: []string{"471101"}, given: []string{"471199", "471199"}, sent: []string{"471199"}, err: "the same code again", prompted: 2},
		"wrong, then canceled": {device: []string{"471101"}, given: []string{"471199"}, sent: []string{"471199"}, err: "canceled by the user", prompted: 2},
		"canceled":             {err: "no MFA code: canceled by the user", prompted: 1},
		"empty":                {given: []string{" "}, err: "MFAToken returned an empty one", prompted: 1},
		"throttled":            {device: []string{"471101"}, given: []string{"471101"}, faults: []ststest.Fault{ststest.Throttle()}, sent: []string{"471101", "471101"}, prompted: 1},
		"lost":                 {device: []string{"471101"}, given: []string{"471101"}, faults: []ststest.Fault{ststest.Disconnect()}, sent: []string{"471101"}, err: "EOF", prompted: 1},
		"denied otherwise":     {device: []string{"471101"}, given: []string{"471101"}, faults: []ststest.Fault{ststest.Refuse(403, "AccessDenied", "no")}, sent: []string{"471101"}, err: "AccessDenied", prompted: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := ststest.NewTest(t)
				srv.AllowRefusals()
				srv.AddMFA(ststest.MFA{Serial: serial, Codes: test.device})
				srv.FailNext(test.faults...)
				prompted := 0
				next := codes(test.given...)
				p := withMFA(srv, func(ctx context.Context, s string) (stschain.Secret, error) {
					prompted++
					require.Equal(t, serial, s)
					return next(ctx, s)
				})
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

// Without base credentials the user is not prompted for a code.
// Reports: varlock#1044.
func TestNoPromptWithoutBase(t *testing.T) {
	p := withMFA(ststest.NewTest(t), func(context.Context, string) (stschain.Secret, error) {
		t.Error("prompted")
		return stschain.Secret{}, errors.New("no")
	})
	p.Client.Credentials = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, errors.New("the base is down")
	})
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "no credentials to sign with: the base is down")
}

// A client over a bare Provider assumes the role once for many requests.
// Reports: aws-sdk-go-v2#3233, litellm#27125, rusoto#1932.
func TestNotPerRequest(t *testing.T) {
	srv := ststest.NewTest(t)
	next := &stsquery.Client{Credentials: over(srv, srv.User()), Region: "eu-west-1", HTTPClient: srv.Client()}
	for range 5 {
		identity, err := next.GetCallerIdentity(t.Context())
		require.NoError(t, err)
		require.Contains(t, identity.ARN, "assumed-role/backup/")
	}
	require.Equal(t, 1, srv.Count("AssumeRole"))
}
