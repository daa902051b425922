package webidentity_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

const roleARN = "arn:aws:iam::123456789012:role/ops/backup"

// noBase is a base that must not be called.
var noBase = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
	panic("an unsigned operation retrieved credentials")
})

// with returns a provider of the role with a source of tokens.
func with(srv *ststest.Server, token func(context.Context) (stschain.Secret, error)) *webidentity.Provider {
	return &webidentity.Provider{
		Client:  &stsquery.Client{Credentials: noBase, Region: "eu-west-1", HTTPClient: srv.Client(), Clock: srv.Clock},
		RoleARN: roleARN,
		Token:   token,
	}
}

// tokens is a source of tokens, one after the other; the last one stays.
func tokens(list ...stschain.Secret) func(context.Context) (stschain.Secret, error) {
	i := -1
	return func(context.Context) (stschain.Secret, error) {
		i = min(i+1, len(list)-1)
		return list[i], nil
	}
}

// write makes a token file.
func write(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestRetrieve(t *testing.T) {
	srv := ststest.NewTest(t)
	p := with(srv, tokens(srv.Issuer().Token(nil)))
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "webidentity "+roleARN, creds.Origin)
	require.Equal(t, "123456789012", creds.AccountID)
	require.WithinDuration(t, time.Now().Add(time.Hour), creds.Expires, time.Minute)
	require.Regexp(t, `^webidentity\.test@[\w+=,.-]+$`, srv.Calls()[0].Form.Get("RoleSessionName"), "program@host")

	// And the credentials work.
	identity, err := (&stsquery.Client{Credentials: p, Region: "eu-west-1", HTTPClient: srv.Client()}).
		GetCallerIdentity(t.Context())
	require.NoError(t, err)
	require.Contains(t, identity.ARN, "assumed-role/backup/webidentity.test@")
}

// Every field reaches STS, and AssumeRoleWithWebIdentity returns the complete response.
// Reports: toolhive#3568.
func TestAllFields(t *testing.T) {
	srv := ststest.NewTest(t)
	p := with(srv, tokens(srv.Issuer().Token(map[string]any{"sub": "repo:octo/hello:ref:refs/heads/main"})))
	p.SessionName = "nightly"
	p.Duration = 30 * time.Minute
	p.Policy = `{"Version":"2012-10-17","Statement":[]}`
	p.PolicyARNs = []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}
	p.MinimumSessionTokenSize = 1000

	out, err := p.AssumeRoleWithWebIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/nightly", out.AssumedRoleUser.ARN)
	require.Equal(t, "repo:octo/hello:ref:refs/heads/main", out.SubjectFromWebIdentityToken)
	require.Equal(t, "https://oidc.example", out.Provider)
	require.Equal(t, "sts.amazonaws.com", out.Audience)
	require.Equal(t, "webidentity "+roleARN, out.Credentials.Origin)

	form := srv.Calls()[0].Form
	for key, want := range map[string]string{
		"RoleArn": roleARN, "RoleSessionName": "nightly", "DurationSeconds": "1800", "Policy": p.Policy,
		"PolicyArns.member.1.arn": p.PolicyARNs[0], "MinimumSessionTokenSize": "1000",
	} {
		require.Equal(t, want, form.Get(key), key)
	}

	p = with(srv, tokens(stschain.NewSecret("opaque-token")))
	p.ProviderID = "www.amazon.com"
	srv.AllowRefusals("InvalidIdentityToken")
	_, err = p.Retrieve(t.Context())
	require.Error(t, err, "ststest knows no such provider")
	require.Equal(t, "www.amazon.com", srv.Calls()[1].Form.Get("ProviderId"))
}

// Servers other than AWS may need neither a role nor a session name.
// Reports: minio#21421.
func TestNoRole(t *testing.T) {
	p := &webidentity.Provider{
		Client: &stsquery.Client{Endpoint: "https://minio.example:9000", HTTPClient: respond(http.StatusOK, sessionOf(""))},
		Token:  tokens(stschain.NewSecret("token")),
	}
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "webidentity", creds.Origin)
	require.Empty(t, creds.AccountID)

	_, err = (&webidentity.Provider{Client: &stsquery.Client{Region: "eu-west-1"}, Token: p.Token}).Retrieve(t.Context())
	require.ErrorContains(t, err, "RoleARN is missing")
}

func TestIncomplete(t *testing.T) {
	client, token := &stsquery.Client{Region: "eu-west-1"}, tokens(stschain.NewSecret("token"))
	for want, p := range map[string]*webidentity.Provider{
		"Client is missing": {RoleARN: roleARN, Token: token},
		"Token is missing":  {RoleARN: roleARN, Client: client},
	} {
		_, err := p.Retrieve(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent, want)
		_ = p.String()
	}
}

// A token that rotates between attempts is read again.
// Reports: aws-sdk-js-v3#2297, configure-aws-credentials#1848.
func TestTokenOfEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		first, second := srv.Issuer().Token(nil), srv.Issuer().Token(nil)
		path := write(t, first.Reveal())
		srv.FailNext(ststest.Throttle())
		var sent []string
		srv.OnCall = func(c ststest.Call) {
			sent = append(sent, c.Token.Reveal())
			replace(t, path, second.Reveal()+"\n")
		}
		_, err := with(srv, webidentity.TokenFile(path)).Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{first.Reveal(), second.Reveal()}, sent)
	})
}

// replace replaces a file atomically.
func replace(t *testing.T, path, content string) {
	if err := errors.Join(os.WriteFile(path+".new", []byte(content), 0o600), os.Rename(path+".new", path)); err != nil {
		t.Error(err)
	}
}

// If STS says that a token has expired, its file is read again.
// Reports: aws-sdk-go-v2#2962.
func TestExpiredWhileSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		srv.AllowRefusals("ExpiredTokenException")
		old := srv.Issuer().Token(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})
		path := write(t, old.Reveal())
		srv.OnCall = func(ststest.Call) { replace(t, path, srv.Issuer().Token(nil).Reveal()) }
		_, err := with(srv, webidentity.TokenFile(path)).Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, srv.Count(""))

		// The same token is not sent twice, and the error says what is wrong with it.
		srv.OnCall = nil
		p := with(srv, webidentity.TokenFile(write(t, old.Reveal())))
		_, err = p.Retrieve(t.Context())
		require.Equal(t, 3, srv.Count(""))
		require.ErrorContains(t, err, "ExpiredTokenException")
		require.ErrorContains(t, err, "expired at "+time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)+", 1m0s ago")
		canary.Check(t, old.Reveal(), err, p)
	})
}

// A token that expired long ago is not sent.
func TestExpired(t *testing.T) {
	srv := ststest.NewTest(t)
	fake := clock.NewMock()
	fake.Set(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	srv.Clock = fake
	token := srv.Issuer().Token(map[string]any{"exp": fake.Now().Add(-time.Hour).Unix()})
	path := write(t, token.Reveal())
	_, err := with(srv, webidentity.TokenFile(path)).Retrieve(t.Context())
	require.ErrorContains(t, err, "the token in the file "+path+" expired at 2026-11-21T11:00:00Z, 1h0m0s ago")
	require.NotErrorIs(t, err, stschain.ErrPermanent, "there may be a new one soon")
	canary.Check(t, token.Reveal(), err)
	require.Zero(t, srv.Count(""))

	_, err = with(srv, tokens(token)).Retrieve(t.Context())
	require.ErrorContains(t, err, "the token expired at 2026-11-21T11:00:00Z, 1h0m0s ago")
	require.Zero(t, srv.Count(""))

	// Within a quarter of an hour this machine's clock may be fast: STS decides.
	srv.AllowRefusals("ExpiredTokenException")
	fake.Add(-45*time.Minute - time.Nanosecond)
	for range 2 {
		_, err = with(srv, tokens(token)).Retrieve(t.Context())
		require.ErrorContains(t, err, "expired at 2026-11-21T11:00:00Z, 15m0s ago")
		require.Equal(t, 1, srv.Count(""))
		fake.Add(time.Nanosecond)
	}
}

// The error does not name a file that was attempted first in vain.
func TestOriginOfAnotherSource(t *testing.T) {
	old := stschain.NewSecret(jwt(`{"exp":1}`))
	file := webidentity.TokenFile(filepath.Join(t.TempDir(), "missing"))
	p := with(ststest.NewTest(t), func(ctx context.Context) (stschain.Secret, error) {
		if token, err := file(ctx); err == nil {
			return token, nil
		}
		return old, nil
	})
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "the token expired at 1970-01-01T00:00:01Z")
	require.NotContains(t, err.Error(), "missing")
}

// With a clock that is fast by minutes, a token that STS accepts is sent.
func TestFastClock(t *testing.T) {
	srv := ststest.NewTest(t)
	fake := clock.NewMock()
	fake.Set(time.Now().Add(10 * time.Minute))
	p := with(srv, tokens(srv.Issuer().Token(map[string]any{"exp": time.Now().Add(5 * time.Minute).Unix()})))
	p.Client.Clock = fake
	creds, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(70*time.Minute), creds.Expires, time.Minute, "on this process's clock")
}

// Whether a token that is not a JWT is valid is decided by STS.
func TestNotJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		srv.AllowRefusals("InvalidIdentityToken")
		path := write(t, "opaque-canary-4711\n")
		_, err := with(srv, webidentity.TokenFile(path)).Retrieve(t.Context())
		require.ErrorContains(t, err, "InvalidIdentityToken")
		require.ErrorContains(t, err, "the token in the file "+path+" is not a JWT")
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Equal(t, 3, srv.Count(""), "STS may have failed to get the issuer's keys")
		canary.Check(t, "opaque-canary-4711", err)
	})
}

// A refusal shows the claims that the trust policy checks.
func TestDenied(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AddRole(ststest.Role{ARN: roleARN, WebIdentity: []ststest.WebIdentityTrust{{Subject: "another"}}})
	srv.AllowRefusals("AccessDenied")
	token := srv.Issuer().Token(map[string]any{"sub": "system:serviceaccount:prod:backup\n", "aud": []string{"sts.amazonaws.com", strings.Repeat("x", 300)}})
	_, err := with(srv, tokens(token)).Retrieve(t.Context())
	require.ErrorContains(t, err, "AccessDenied")
	require.ErrorContains(t, err, `the token has the issuer "https://oidc.example", the subject "system:serviceaccount:prod:backup\n" and the audience "sts.amazonaws.com", "xxx`)
	require.ErrorContains(t, err, `xxx..."`)
	require.ErrorContains(t, err, roleARN)
	require.ErrorIs(t, err, stschain.ErrPermanent)
	canary.Check(t, token.Reveal(), err)
}

// Reports: hypershift#9406.
func TestRefused(t *testing.T) {
	soon := time.Now().Add(time.Minute)
	for name, test := range map[string]struct{ code, claims, want string }{
		"many audiences": {"IDPRejectedClaim", `{"iss":"i","sub":"s","aud":["1","2","3","4","5"]}`, `the token has the issuer "i", the subject "s" and the audience "1", "2", "3", "4", ...`},
		"no audience":    {"AccessDenied", `{"iss":"i","sub":"s"}`, `and the audience (none)`},
		"slow clock":     {"ExpiredTokenException", fmt.Sprintf(`{"exp":%d}`, soon.Unix()), "the token expires at " + soon.UTC().Format(time.RFC3339) + ", which is in the future by this machine's clock"},
		"no exp":         {"ExpiredTokenException", `{}`, "ExpiredTokenException"},
		"something else": {"MalformedPolicyDocument", `{"iss":"i"}`, "MalformedPolicyDocument"},
	} {
		t.Run(name, func(t *testing.T) {
			refusal := `<ErrorResponse><Error><Code>` + test.code + `</Code></Error></ErrorResponse>`
			p := &webidentity.Provider{
				Client:  &stsquery.Client{Region: "eu-west-1", HTTPClient: respond(http.StatusForbidden, refusal)},
				RoleARN: roleARN,
				Token:   tokens(stschain.NewSecret(jwt(test.claims))),
			}
			_, err := p.Retrieve(t.Context())
			require.ErrorContains(t, err, test.code)
			require.ErrorContains(t, err, test.want)
			var e *stsquery.Error
			require.ErrorAs(t, err, &e)
		})
	}
}

func TestTokenFails(t *testing.T) {
	srv := ststest.NewTest(t)
	for name, test := range map[string]struct {
		token stschain.Secret
		err   error
		want  string
	}{
		"error":       {err: errors.New("the issuer is down"), want: "no web identity token: the issuer is down"},
		"unavailable": {err: stschain.Unavailable("no agent"), want: "no agent"},
		"empty":       {want: "empty"},
		"blank":       {token: stschain.NewSecret(" \r\n"), want: "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			p := with(srv, func(context.Context) (stschain.Secret, error) { return test.token, test.err })
			_, err := p.Retrieve(t.Context())
			require.ErrorContains(t, err, test.want)
			require.False(t, stschain.IsUnavailable(err), "%v", err)
			if test.err != nil && !stschain.IsUnavailable(test.err) {
				require.ErrorIs(t, err, test.err)
			}
			_, err = stschain.NewChain(p, srv.User()).Retrieve(t.Context())
			require.ErrorContains(t, err, test.want, "a chain does not fall through to a weaker identity")
		})
	}
	require.Zero(t, srv.Count(""))
}

// White space around a function's token is removed.
func TestTrimmed(t *testing.T) {
	srv := ststest.NewTest(t)
	token := srv.Issuer().Token(nil).Reveal()
	_, err := with(srv, tokens(stschain.NewSecret(" "+token+"\r\n"))).Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, token, srv.Calls()[0].Token.Reveal())
}

// Reports: datafusion-comet#6025, datafusion-comet#6024.
func TestThrottledDoesNotFallThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		srv.FailAll(ststest.Throttle())
		_, err := stschain.NewChain(with(srv, tokens(srv.Issuer().Token(nil))), srv.User()).Retrieve(t.Context())
		require.ErrorContains(t, err, "Throttling")
		require.False(t, stschain.IsUnavailable(err), "%v", err)
	})
}

func TestSessionOfAnotherRole(t *testing.T) {
	p := &webidentity.Provider{
		Client:  &stsquery.Client{Region: "eu-west-1", HTTPClient: respond(http.StatusOK, sessionOf("arn:aws:sts::123456789012:assumed-role/admin/x"))},
		RoleARN: roleARN,
		Token:   tokens(stschain.NewSecret("token")),
	}
	_, err := p.Retrieve(t.Context())
	require.ErrorContains(t, err, "a session of another role, arn:aws:sts::123456789012:assumed-role/admin/x")
}

// sessionOf returns a response with a session.
func sessionOf(arn string) string {
	return `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>
		<AssumedRoleUser><Arn>` + arn + `</Arn></AssumedRoleUser>
		<Credentials><AccessKeyId>AKIDEXAMPLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
		<Expiration>2126-01-02T15:04:05Z</Expiration></Credentials>
		</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`
}

// respond returns a client whose server returns the same response to every request.
func respond(status int, body string) *http.Client {
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
