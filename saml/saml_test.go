package saml_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/saml"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// noBase is a base that must not be called.
var noBase = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
	panic("an unsigned operation retrieved credentials")
})

// with returns a provider with an assertion.
func with(srv *ststest.Server, assertion stschain.Secret) *saml.Provider {
	return &saml.Provider{
		Client:    &stsquery.Client{Credentials: noBase, Region: "eu-west-1", HTTPClient: srv.Client(), Clock: srv.Clock},
		Assertion: func(context.Context) (stschain.Secret, error) { return assertion, nil },
	}
}

// forRoles returns an assertion for roles of corp.
func forRoles(roles ...string) ststest.Assertion {
	var a ststest.Assertion
	for _, r := range roles {
		a.Roles = append(a.Roles, ststest.SAMLRole{RoleARN: r, ProviderARN: corp})
	}
	return a
}

// The only role of an assertion need not be named.
// Reports: aws-sdk-go-v2#1332, aws-sdk-rust#144.
func TestRetrieve(t *testing.T) {
	srv := ststest.NewTest(t)
	p := with(srv, srv.Assertion(forRoles(backup)))
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "saml "+backup, creds.Origin)
	require.Equal(t, "saml", p.String())
	require.Equal(t, "123456789012", creds.AccountID)
	require.WithinDuration(t, time.Now().Add(time.Hour), creds.Expires, time.Minute)
	form := srv.Calls()[0].Form
	require.Equal(t, backup, form.Get("RoleArn"))
	require.Equal(t, corp, form.Get("PrincipalArn"))

	// And the credentials work.
	identity, err := (&stsquery.Client{Credentials: p, Region: "eu-west-1", HTTPClient: srv.Client()}).
		GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/alice", identity.ARN)
}

// Every field reaches STS, and AssumeRoleWithSAML returns the complete response.
func TestAllFields(t *testing.T) {
	srv := ststest.NewTest(t)
	a := forRoles(admin, backup)
	a.SessionName, a.Subject = "alice@example.com", "alice"
	given := srv.Assertion(a)
	p := with(srv, stschain.NewSecret("SAMLResponse="+url.QueryEscape(given.Reveal())+"&RelayState="))
	p.RoleARN, p.PrincipalARN = backup, corp
	p.Duration = 30 * time.Minute
	p.Policy = `{"Version":"2012-10-17","Statement":[]}`
	p.PolicyARNs = []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}
	p.MinimumSessionTokenSize = 1000

	out, err := p.AssumeRoleWithSAML(t.Context())
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/alice@example.com", out.AssumedRoleUser.ARN)
	require.Equal(t, "alice", out.Subject)
	require.Equal(t, "https://idp.example/metadata", out.Issuer)
	require.Equal(t, "saml "+backup, out.Credentials.Origin)
	require.Equal(t, "saml "+backup, p.String())

	call := srv.Calls()[0]
	require.Equal(t, given.Reveal(), call.Token.Reveal(), "in plain base64")
	for key, want := range map[string]string{
		"RoleArn": backup, "PrincipalArn": corp, "DurationSeconds": "1800", "Policy": p.Policy,
		"PolicyArns.member.1.arn": p.PolicyARNs[0], "MinimumSessionTokenSize": "1000",
	} {
		require.Equal(t, want, call.Form.Get(key), key)
	}
}

func TestIncomplete(t *testing.T) {
	client := &stsquery.Client{Region: "eu-west-1"}
	for want, p := range map[string]*saml.Provider{
		"Client is missing":    {RoleARN: backup, Assertion: func(context.Context) (_ stschain.Secret, _ error) { return }},
		"Assertion is missing": {RoleARN: backup, Client: client},
	} {
		_, err := p.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent, want)
		_ = p.String()
	}
}

func TestChoice(t *testing.T) {
	srv := ststest.NewTest(t)
	byOther := ststest.SAMLRole{RoleARN: backup, ProviderARN: partner}
	many := forRoles()
	for i := range 30 {
		many.Roles = append(many.Roles, ststest.SAMLRole{RoleARN: fmt.Sprintf("arn:aws:iam::123456789012:role/r%d", i), ProviderARN: corp})
	}
	both := forRoles(backup, admin)
	three := forRoles(backup, admin)
	three.Roles = append(three.Roles, byOther)
	for name, test := range map[string]struct {
		assertion               ststest.Assertion
		role, principal         string
		wantRole, wantPrincipal string
		err                     string
	}{
		"the only one":            {assertion: forRoles(backup), wantRole: backup, wantPrincipal: corp},
		"the only one, named":     {assertion: forRoles(backup), role: backup, principal: corp, wantRole: backup, wantPrincipal: corp},
		"one of two":              {assertion: both, role: admin, wantRole: admin, wantPrincipal: corp},
		"the only one of another": {assertion: three, principal: partner, wantRole: backup, wantPrincipal: partner},
		"none of two": {assertion: both,
			err: "the assertion is for 2 roles: set RoleARN, and PrincipalARN if several providers remain, to one of " + backup + " by " + corp + "; " + admin + " by " + corp},
		"one role of two providers": {assertion: three, role: backup,
			err: "the assertion is for 2 roles: set RoleARN, and PrincipalARN if several providers remain, to one of " + backup + " by " + corp + "; " + backup + " by " + partner},
		"another role":     {assertion: both, role: backup + "2", err: "the assertion is not for the role: it is for " + backup + " by " + corp + "; " + admin},
		"another provider": {assertion: both, role: admin, principal: partner, err: "the assertion is not for the role: it is for " + backup},
		"thirty":           {assertion: many, err: "role/r19 by " + corp + "; and 10 more"},
		"none":             {assertion: forRoles(), err: "the assertion has no role"},
		"none, one named":  {assertion: forRoles(), role: backup, err: "the assertion has no role"},
	} {
		t.Run(name, func(t *testing.T) {
			calls := srv.Count("")
			p := with(srv, srv.Assertion(test.assertion))
			p.RoleARN, p.PrincipalARN = test.role, test.principal
			out, err := p.AssumeRoleWithSAML(t.Context())
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				require.ErrorIs(t, err, stschain.ErrPermanent, "another assertion will not help")
				require.Equal(t, calls, srv.Count(""), "nothing was sent")
				return
			}
			require.NoError(t, err)
			require.Equal(t, "saml "+test.wantRole, out.Credentials.Origin)
			all := srv.Calls()
			require.Equal(t, test.wantPrincipal, all[len(all)-1].Form.Get("PrincipalArn"))
		})
	}
}

// An encrypted assertion is sent if both ARNs are set.
func TestEncrypted(t *testing.T) {
	document := encoded(`<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"><EncryptedAssertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion"/></p:Response>`)
	p := with(ststest.NewTest(t), document)
	p.RoleARN = backup
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "set RoleARN and PrincipalARN")
	require.ErrorIs(t, err, stschain.ErrPermanent)

	p.Client = &stsquery.Client{Region: "eu-west-1", HTTPClient: respond(http.StatusOK, sessionOf("arn:aws:sts::123456789012:assumed-role/backup/x"))}
	p.PrincipalARN = corp
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIDEXAMPLE", creds.AccessKeyID)
}

// Credentials do not outlive SessionNotOnOrAfter, whatever the server says.
func TestSessionNotOnOrAfter(t *testing.T) {
	srv := ststest.NewTest(t)
	end := time.Now().Add(20 * time.Minute).Truncate(time.Second)
	a := forRoles(backup)
	a.SessionNotOnOrAfter = end
	given := srv.Assertion(a)
	p := with(srv, given)
	p.Duration = 12 * time.Hour
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.True(t, creds.Expires.Equal(end), creds.Expires)

	// A server that ignores it.
	p.Client = &stsquery.Client{Region: "eu-west-1", HTTPClient: respond(http.StatusOK, sessionOf("arn:aws:sts::123456789012:assumed-role/backup/x"))}
	creds, err = p.Retrieve(t.Context())
	require.NoError(t, err)
	require.True(t, creds.Expires.Equal(end), creds.Expires)

	a.SessionNotOnOrAfter = time.Now().Add(20 * time.Hour)
	p = with(srv, srv.Assertion(a))
	creds, err = p.Retrieve(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), creds.Expires, time.Minute)
}

// Reports: gimme-aws-creds#251.
func TestExpired(t *testing.T) {
	srv := ststest.NewTest(t)
	fake := clock.NewMock()
	fake.Set(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	srv.Clock = fake
	given := srv.Assertion(forRoles(backup))
	p := with(srv, given)

	// An assertion that expired long ago is not sent.
	fake.Add(time.Hour)
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "the assertion expired at 2026-11-21T12:05:00Z, 55m0s ago: STS accepts an assertion within five minutes after it was issued")
	require.NotErrorIs(t, err, stschain.ErrPermanent, "a new one may help")
	canary.Check(t, given.Reveal(), err)
	require.Zero(t, srv.Count(""))

	// If this machine's clock may be fast, STS decides.
	fake.Add(-50 * time.Minute)
	srv.AllowRefusals("ExpiredTokenException")
	_, err = p.Retrieve(t.Context())
	require.ErrorContains(t, err, "ExpiredTokenException")
	require.ErrorContains(t, err, "five minutes")
	require.ErrorContains(t, err, "the assertion expired at 2026-11-21T12:05:00Z, 5m0s ago")
	canary.Check(t, given.Reveal(), err)
	require.Equal(t, 1, srv.Count(""))
	fake.Add(10*time.Minute - time.Nanosecond)
	for range 2 {
		_, err = p.Retrieve(t.Context())
		require.ErrorContains(t, err, "2026-11-21T12:05:00Z, 15m0s ago")
		require.Equal(t, 2, srv.Count(""))
		fake.Add(time.Nanosecond)
	}
}

func TestAssertionFails(t *testing.T) {
	srv := ststest.NewTest(t)
	for name, test := range map[string]struct {
		assertion string
		err       error
		want      string
	}{
		"error":       {err: errors.New("canceled by the user"), want: "no SAML assertion: canceled by the user"},
		"unavailable": {err: stschain.Unavailable("no browser"), want: "no browser"},
		"empty":       {want: "the SAML assertion is empty"},
		"not XML":     {assertion: "aGVsbG8=", want: "the SAML assertion is base64, but not of XML"},
	} {
		t.Run(name, func(t *testing.T) {
			p := with(srv, stschain.Secret{})
			p.Assertion = func(context.Context) (stschain.Secret, error) { return stschain.NewSecret(test.assertion), test.err }
			_, err := stschain.NewChain(p, srv.User()).Retrieve(t.Context())
			require.ErrorContains(t, err, test.want)
			require.False(t, stschain.IsUnavailable(err), "%v", err)
		})
	}
	require.Zero(t, srv.Count(""))
}

// If this machine's clock is slow, the error says so.
func TestExpiredByAnotherClock(t *testing.T) {
	srv := ststest.NewTest(t)
	a := forRoles(backup)
	a.NotOnOrAfter = time.Now().Add(time.Hour)
	p := with(srv, srv.Assertion(a))
	p.Client = &stsquery.Client{Region: "eu-west-1", HTTPClient: respond(http.StatusBadRequest,
		`<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>Response has expired</Message></Error></ErrorResponse>`)}
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "which is in the future by this machine's clock")
}

// Each refresh calls Assertion, and a background refresh does not prompt.
// Reports: aws-sdk-java-v2#695.
func TestCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		prompts := 0
		p := with(srv, stschain.Secret{})
		p.Assertion = func(ctx context.Context) (stschain.Secret, error) {
			if err := stschain.Prompt(ctx); err != nil {
				return stschain.Secret{}, err
			}
			prompts++
			return srv.Assertion(forRoles(backup)), nil
		}
		c := &stschain.Cache{Provider: stschain.ProviderFunc(p.Retrieve)} // which hides what p is
		for range 3 {
			_, err := c.Retrieve(t.Context())
			require.NoError(t, err)
		}
		require.Equal(t, 1, prompts)
		<-time.After(50 * time.Minute) // the advisory window
		_, err := c.Retrieve(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		require.ErrorIs(t, c.Status().Err, stschain.ErrPrompt)
		require.Equal(t, 1, prompts)
		<-time.After(11 * time.Minute)
		_, err = c.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, prompts)
	})
}

func TestDenied(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.DenyUndeclared = true
	srv.AllowRefusals("AccessDenied")
	_, err := with(srv, srv.Assertion(forRoles(backup))).Retrieve(t.Context())
	require.ErrorContains(t, err, "AccessDenied")
	require.ErrorContains(t, err, "saml: "+backup, "the role that was chosen")
	require.ErrorIs(t, err, stschain.ErrPermanent)
}

func TestSessionOfAnotherRole(t *testing.T) {
	srv := ststest.NewTest(t)
	p := with(srv, srv.Assertion(forRoles(backup)))
	p.Client = &stsquery.Client{Region: "eu-west-1", HTTPClient: respond(http.StatusOK, sessionOf("arn:aws:sts::123456789012:assumed-role/admin/x"))}
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "a session of another role, arn:aws:sts::123456789012:assumed-role/admin/x")
}

// sessionOf returns a response with a session.
func sessionOf(arn string) string {
	return `<AssumeRoleWithSAMLResponse><AssumeRoleWithSAMLResult>
		<AssumedRoleUser><Arn>` + arn + `</Arn></AssumedRoleUser>
		<Credentials><AccessKeyId>AKIDEXAMPLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
		<Expiration>2126-01-02T15:04:05Z</Expiration></Credentials>
		</AssumeRoleWithSAMLResult></AssumeRoleWithSAMLResponse>`
}

// respond returns a client whose server returns the same response to every request.
func respond(status int, body string) *http.Client {
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// SessionNotOnOrAfter is by other clocks than this machine's.
func TestSessionEndByAnotherClock(t *testing.T) {
	for _, off := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		srv := ststest.NewTest(t)
		fake := clock.NewMock()
		fake.Set(time.Now().Add(off))
		a := forRoles(backup)
		a.SessionNotOnOrAfter = time.Now().Add(20 * time.Minute)
		p := with(srv, srv.Assertion(a))
		p.Client.Clock = fake
		creds, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		if left := creds.Expires.Sub(fake.Now()); left < 19*time.Minute || left > 20*time.Minute {
			t.Errorf("clock off by %v: a session of 20 min lives for %v", off, left)
		}
	}
}
