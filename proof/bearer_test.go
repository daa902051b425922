package proof_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/ststest"
)

const (
	bearerToken   = "canary-bearer-4711-token"
	createBearer  = "CreateBearerToken"
	withIAM       = "CreateOAuth2TokenWithIAM"
	tokenExchange = "CreateOAuth2TokenWithTokenExchange"
)

// subject returns a SubjectToken that returns a text.
func subject(text string) func(context.Context) (stschain.Secret, error) {
	return func(context.Context) (stschain.Secret, error) { return stschain.NewSecret(text), nil }
}

func bearer(srv *ststest.Server, p stschain.Provider) *proof.Bearer {
	return &proof.Bearer{Credentials: p, Region: region, Resource: "ecr.amazonaws.com", HTTPClient: srv.Client(), Clock: srv.Clock}
}

func exchange(srv *ststest.Server) *proof.TokenExchange {
	return &proof.TokenExchange{
		SubjectToken: func(context.Context) (stschain.Secret, error) { return srv.Issuer().Token(nil), nil },
		Region:       region, Resource: "glue.amazonaws.com", HTTPClient: srv.Client(), Clock: srv.Clock,
	}
}

// signInKinds are the tokens of AWS Sign-In.
var signInKinds = map[string]struct {
	operation, subject string
	life               time.Duration
	make               func(srv *ststest.Server, onEvent func(stschain.Event)) (maker, func(proof.Token))
}{
	"bearer": {createBearer, "arn:aws:iam::123456789012:user/alice", 12 * time.Hour, func(srv *ststest.Server, f func(stschain.Event)) (maker, func(proof.Token)) {
		b := bearer(srv, srv.User())
		b.OnEvent = f
		return b.Token, b.Invalidate
	}},
	"short": {createBearer, "arn:aws:iam::123456789012:user/alice", 5 * minute, func(srv *ststest.Server, f func(stschain.Event)) (maker, func(proof.Token)) {
		b := bearer(srv, srv.User())
		b.Duration, b.OnEvent = 5*minute, f
		return b.Token, b.Invalidate
	}},
	"OAuth": {withIAM, "arn:aws:iam::123456789012:user/alice", time.Hour, func(srv *ststest.Server, f func(stschain.Event)) (maker, func(proof.Token)) {
		b := bearer(srv, srv.User())
		b.OAuth, b.OnEvent = true, f
		return b.Token, b.Invalidate
	}},
	"exchange": {tokenExchange, "system:serviceaccount:default:app", time.Hour, func(srv *ststest.Server, f func(stschain.Event)) (maker, func(proof.Token)) {
		x := exchange(srv)
		x.OnEvent = f
		return x.Token, x.Invalidate
	}},
}

func TestSignInTokens(t *testing.T) {
	for name, kind := range signInKinds {
		t.Run(name, func(t *testing.T) {
			srv := ststest.NewTest(t)
			c := fakeClock()
			srv.Clock = c
			make, invalidate := kind.make(srv, nil)
			first, err := make(t.Context())
			require.NoError(t, err)
			require.Equal(t, start.Add(kind.life), first.Expires.UTC())
			claims, err := srv.SignIn().Verify(first.Value, c.Now())
			require.NoError(t, err)
			require.Equal(t, kind.subject, claims["sub"])

			c.Add(2 * time.Second)
			again, err := make(t.Context())
			require.NoError(t, err)
			require.Equal(t, first, again)
			invalidate(proof.Token{Value: stschain.NewSecret("another")})
			require.Equal(t, 1, srv.Count(kind.operation))
			invalidate(first)
			second, err := make(t.Context())
			require.NoError(t, err)
			require.NotEqual(t, first.Value, second.Value)

			c.Add(kind.life)
			third, err := make(t.Context())
			require.NoError(t, err)
			require.NotEqual(t, second.Value, third.Value)
			require.Equal(t, 3, srv.Count(kind.operation))
		})
	}
}

// The tokens are refreshed by the engine of a Cache: in the background, once for all callers, and valid tokens are
// served through failures.
func TestSignInRefresh(t *testing.T) {
	for name, kind := range signInKinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := ststest.NewTest(t)
				var events []stschain.Event
				make, _ := kind.make(srv, func(e stschain.Event) { events = append(events, e) })
				token := func() proof.Token {
					token, err := make(t.Context())
					require.NoError(t, err)
					synctest.Wait()
					return token
				}
				first := token()
				advance(kind.life - 2*minute) // in the advisory window
				require.Equal(t, first, token(), "no caller waits")
				second := token()
				require.NotEqual(t, first, second)
				require.Equal(t, 2, srv.Count(kind.operation))

				srv.FailAll(ststest.Refuse(503, "ServiceUnavailableException", "later"))
				advance(time.Until(second.Expires) - 2*minute)
				require.Equal(t, second, token(), "the cached token is valid")
				advance(5 * time.Second) // for the attempts
				require.Equal(t, second, token(), "after the failure")
				require.Equal(t, 5, srv.Count(kind.operation), "one refresh of three attempts")
				advance(kind.life)
				_, err := make(t.Context())
				require.ErrorContains(t, err, "503 Service Unavailable: ServiceUnavailableException: service_unavailable: later")
				require.NotErrorIs(t, err, stschain.ErrPermanent)

				srv.Heal()
				advance(time.Minute)
				token()
				require.NotEmpty(t, events)
				for _, e := range events {
					require.Contains(t, e.Origin, "token ")
				}
			})
		})
	}
}

// Any number of callers cause one request.
func TestSignInOneRequest(t *testing.T) {
	for name, kind := range signInKinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := ststest.NewTest(t)
				srv.FailAll(ststest.Slow(time.Millisecond))
				make, _ := kind.make(srv, nil)
				errs := make100(t.Context(), make)
				for range 100 {
					require.NoError(t, <-errs)
				}
				require.Equal(t, 1, srv.Count(kind.operation))
			})
		})
	}
}

func make100(ctx context.Context, make1 maker) chan error {
	errs := make(chan error, 100)
	for range 100 {
		go func() {
			_, err := make1(ctx)
			errs <- err
		}()
	}
	return errs
}

// responding returns a Bearer that gets the same response to every request, over the clock of synctest.
func responding(status int, contentType, body string, calls *int) *proof.Bearer {
	return &proof.Bearer{
		Credentials: example, Region: region, Resource: "ecr.amazonaws.com", MaxAttempts: 1,
		HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			*calls++
			return response(r, status, contentType, body), nil
		})},
	}
}

// A token that expires sooner than the windows of the cache is neither requested in a loop nor served after its end.
func TestSignInShortTokens(t *testing.T) {
	for _, seconds := range []int{1, 2, 10, 59, 300} {
		synctest.Test(t, func(t *testing.T) {
			var calls int
			b := responding(200, "application/json", fmt.Sprintf(`{"access_token":"%s","token_type":"bearer","expires_in":%d}`, bearerToken, seconds), &calls)
			for range 1200 { // an hour in 3 s steps
				token, err := b.Token(t.Context())
				require.NoError(t, err)
				require.True(t, time.Now().Before(token.Expires), "%d s", seconds)
				synctest.Wait()
				advance(3 * time.Second)
			}
			require.LessOrEqual(t, calls, 1200)
			if seconds == 300 {
				require.Less(t, calls, 100)
			}
		})
	}
}

// A request that is signed by a session is signed by a new one if that gives a longer token.
func TestBearerOfSession(t *testing.T) {
	for name, test := range map[string]struct {
		left, fresh, minLife, want time.Duration
		err                        string
	}{
		"long":            {left: 2 * time.Hour, want: time.Hour},
		"refreshed first": {left: 30 * minute, fresh: 2 * time.Hour, want: time.Hour},
		"shorter":         {left: 30 * minute, want: 30 * minute},
		"refused":         {left: 30 * minute, minLife: 31 * minute, err: "31m0s are required"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := ststest.NewTest(t)
			c := fakeClock()
			srv.Clock = c
			lives := []time.Duration{3 * time.Hour, test.fresh}
			cache := &stschain.Cache{Clock: c, Provider: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
				life := lives[0]
				lives = lives[1:]
				if life == 0 {
					return stschain.Credentials{}, errors.New("source down")
				}
				creds := stschain.Credentials{
					AccessKeyID: fmt.Sprintf("ASIAEXAMPLE00%d", len(lives)), SecretAccessKey: stschain.NewSecret(secretKey),
					SessionToken: stschain.NewSecret(sessionToken), Expires: c.Now().Add(life), Origin: "a test",
				}
				srv.AddKeys("arn:aws:sts::123456789012:assumed-role/web/session", creds)
				return creds, nil
			})}
			_, err := cache.Retrieve(t.Context())
			require.NoError(t, err)
			c.Add(3*time.Hour - test.left)
			b := bearer(srv, cache)
			b.OAuth, b.MinLife = true, test.minLife
			token, err := b.Token(t.Context())
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.Now().Add(test.want).UTC(), token.Expires.UTC())
		})
	}
}

// A session that was rejected is replaced, and the request is sent once more. A wrong clock is corrected.
func TestBearerSignsAgain(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals("InvalidSignatureException")
	c := fakeClock()
	srv.Clock = c
	cache := &stschain.Cache{Provider: newSource(c, time.Hour), Clock: c}
	b := bearer(srv, cache)
	creds, err := cache.Retrieve(t.Context())
	require.NoError(t, err)
	for _, id := range []string{"ASIAEXAMPLEB", "ASIAEXAMPLEC"} {
		creds.AccessKeyID = id
		srv.AddKeys("arn:aws:sts::123456789012:assumed-role/web/session", creds)
	}
	c.Add(2 * time.Second) // newer ones are not replaced
	srv.FailNext(ststest.Refuse(403, "ExpiredTokenException", "The security token included in the request is expired"))
	_, err = b.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, srv.Count(createBearer))

	b = bearer(srv, srv.User())
	srv.FailAll(ststest.Skew(time.Hour))
	token, err := b.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, c.Now().Add(12*time.Hour).UTC(), token.Expires.UTC(), "on this process's clock")
	require.Equal(t, 4, srv.Count(createBearer))
}

func TestSignInSettings(t *testing.T) {
	p, s := example, subject("a.b.c")
	for want, make := range map[string]maker{
		"Credentials is missing":                             (&proof.Bearer{Region: region, Resource: "r"}).Token,
		"Region is missing":                                  (&proof.Bearer{Credentials: p, Resource: "r"}).Token,
		"Resource is missing":                                (&proof.Bearer{Credentials: p, Region: region}).Token,
		`Region is "a/b", and`:                               (&proof.Bearer{Credentials: p, Region: "a/b", Resource: "r"}).Token,
		`Resource is "a/b", and`:                             (&proof.Bearer{Credentials: p, Region: region, Resource: "a/b"}).Token,
		"of the partition aws-cn, for which":                 (&proof.Bearer{Credentials: p, Region: "cn-north-1", Resource: "r"}).Token,
		"Duration is 4m59s, and whole seconds from 5m0s":     (&proof.Bearer{Credentials: p, Region: region, Resource: "r", Duration: 299 * time.Second}).Token,
		"Duration is 12h0m1s, and whole seconds from":        (&proof.Bearer{Credentials: p, Region: region, Resource: "r", Duration: 12*time.Hour + time.Second}).Token,
		"Duration is 5m0.5s, and whole":                      (&proof.Bearer{Credentials: p, Region: region, Resource: "r", Duration: 5*minute + time.Second/2}).Token,
		"Duration is 10m0s, and OAuth tokens":                (&proof.Bearer{Credentials: p, Region: region, Resource: "r", OAuth: true, Duration: 10 * minute}).Token,
		"MinLife is 12h0m0s, and 0 to 11h59m55s are allowed": (&proof.Bearer{Credentials: p, Region: region, Resource: "r", MinLife: 12 * time.Hour}).Token,
		"MinLife is -1s":                                     (&proof.Bearer{Credentials: p, Region: region, Resource: "r", MinLife: -time.Second}).Token,
		"Endpoint is plain http to":                          (&proof.Bearer{Credentials: p, Region: region, Resource: "r", Endpoint: "http://a.example"}).Token,
		"Endpoint has a query":                               (&proof.Bearer{Credentials: p, Region: region, Resource: "r", Endpoint: "https://a.example?a"}).Token,
		"SubjectToken is missing":                            (&proof.TokenExchange{Region: region, Resource: "r"}).Token,
		`Scope has "*", and ARNs`:                            (&proof.TokenExchange{SubjectToken: s, Region: region, Resource: "r", Scope: []string{"*"}}).Token,
		"MinLife is 1h0m0s, and 0 to 59m55s are allowed":     (&proof.TokenExchange{SubjectToken: s, Region: region, Resource: "r", MinLife: time.Hour}).Token,
		"SubjectToken returned an empty one":                 (&proof.TokenExchange{SubjectToken: subject(" \n"), Region: region, Resource: "r"}).Token,
		"the subject token is not a JWT":                     (&proof.TokenExchange{SubjectToken: subject("a b"), Region: region, Resource: "r"}).Token,
		"the subject token has 20001 bytes":                  (&proof.TokenExchange{SubjectToken: subject(strings.Repeat("a", 20001)), Region: region, Resource: "r"}).Token,
	} {
		_, err := make(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "proof: no ")
		require.Equal(t, !strings.Contains(want, "empty"), errors.Is(err, stschain.ErrPermanent), "%v", err)
	}
	(&proof.Bearer{}).Invalidate(proof.Token{}) // does not panic
	(&proof.TokenExchange{}).Invalidate(proof.Token{})

	_, err := (&proof.Bearer{Credentials: stschain.Static("", "", ""), Region: region, Resource: "r"}).Token(t.Context())
	require.ErrorContains(t, err, "static credentials are empty")
	require.False(t, stschain.IsUnavailable(err))
}
