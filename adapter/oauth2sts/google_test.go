package oauth2sts_test

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google/externalaccount"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/adapter/oauth2sts"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/aws/providers/main"

var none externalaccount.SupplierOptions

// googleSTS is Google's Security Token Service: it has AWS's say whose a subject
// token is, and gives an access token for it.
type googleSTS struct {
	aws  *http.Client
	host string // of the STS that it trusts; "": that of eu-west-1
	life int    // of access tokens, in seconds

	mu      sync.Mutex
	callers []string // whom it gave tokens
}

func (g *googleSTS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller, err := g.exchange(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"invalid_grant","error_description":%q}`, err.Error())
		return
	}
	g.mu.Lock()
	g.callers = append(g.callers, caller)
	n := len(g.callers)
	g.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":"google-%d","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":%d}`, n, g.life)
}

func (g *googleSTS) exchange(r *http.Request) (string, error) {
	for field, want := range map[string]string{
		"grant_type":           "urn:ietf:params:oauth:grant-type:token-exchange",
		"audience":             pool,
		"subject_token_type":   "urn:ietf:params:aws:token-type:aws4_request",
		"requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
	} {
		if got := r.PostFormValue(field); got != want {
			return "", fmt.Errorf("%s is %q", field, got)
		}
	}
	text, err := url.QueryUnescape(r.PostFormValue("subject_token"))
	if err != nil {
		return "", err
	}
	var call struct {
		URL, Method string
		Headers     []struct{ Key, Value string }
	}
	if err := json.Unmarshal([]byte(text), &call); err != nil {
		return "", err
	}
	if !strings.HasPrefix(call.URL, "https://"+cmp.Or(g.host, "sts.eu-west-1.amazonaws.com")+"?") {
		return "", fmt.Errorf("%s is not STS", call.URL)
	}
	req, err := http.NewRequestWithContext(r.Context(), call.Method, call.URL, nil)
	if err != nil {
		return "", err
	}
	for _, h := range call.Headers {
		req.Header.Set(h.Key, h.Value)
	}
	req.Header.Del("Host") // net/http sends that of the URL
	_, signed, _ := strings.Cut(req.Header.Get("Authorization"), "SignedHeaders=")
	signed, _, _ = strings.Cut(signed, ",")
	if req.Header.Get("X-Goog-Cloud-Target-Resource") != pool || !slices.Contains(strings.Split(signed, ";"), "x-goog-cloud-target-resource") {
		return "", errors.New("the subject token is for another audience")
	}
	resp, err := g.aws.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var identity struct {
		Arn  string `xml:"GetCallerIdentityResult>Arn"`
		Code string `xml:"Error>Code"`
	}
	if err := xml.NewDecoder(resp.Body).Decode(&identity); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("STS says %s", identity.Code)
	}
	return identity.Arn, nil
}

// exchange returns Google's token source over a supplier, at a fake of Google.
func exchange(t *testing.T, g *googleSTS, supplier externalaccount.AwsSecurityCredentialsSupplier) oauth2.TokenSource {
	t.Helper()
	srv := httptest.NewServer(g)
	t.Cleanup(srv.Close)
	tokens, err := externalaccount.NewTokenSource(context.WithValue(t.Context(), oauth2.HTTPClient, srv.Client()), externalaccount.Config{
		Audience:                       pool,
		SubjectTokenType:               "urn:ietf:params:aws:token-type:aws4_request",
		TokenURL:                       srv.URL + "/v1/token",
		AwsSecurityCredentialsSupplier: supplier,
	})
	require.NoError(t, err)
	return tokens
}

func backup(srv *ststest.Server) *assumerole.Provider {
	return &assumerole.Provider{
		Client:      &stsquery.Client{Region: "eu-west-1", Credentials: srv.User(), HTTPClient: srv.Client()},
		RoleARN:     "arn:aws:iam::123456789012:role/backup",
		SessionName: "test",
	}
}

// The whole exchange: Google's library signs with our credentials, STS believes the
// signature, and the credentials are requested once.
func TestGoogleExchange(t *testing.T) {
	for name, source := range map[string]func(*ststest.Server) stschain.Provider{
		"temporary": func(srv *ststest.Server) stschain.Provider { return backup(srv) },
		"static":    func(srv *ststest.Server) stschain.Provider { return srv.User() },
	} {
		t.Run(name, func(t *testing.T) {
			srv := ststest.NewTest(t)
			want := map[string]string{
				"temporary": "arn:aws:sts::123456789012:assumed-role/backup/test",
				"static":    "arn:aws:iam::123456789012:user/alice",
			}[name]
			google := &googleSTS{aws: srv.Client(), life: 1} // so that each call exchanges anew
			tokens := exchange(t, google, &oauth2sts.Google{Credentials: source(srv), Region: "eu-west-1"})
			for i := range 3 {
				token, err := tokens.Token()
				require.NoError(t, err)
				require.Equal(t, fmt.Sprintf("google-%d", i+1), token.AccessToken)
			}
			require.Equal(t, []string{want, want, want}, google.callers)
			require.Equal(t, 3, srv.Count("GetCallerIdentity"))
			require.LessOrEqual(t, srv.Count("AssumeRole"), 1)
		})
	}
}

// Google's library takes a proof that we signed, for an STS that it could not sign for.
func TestGoogleSubject(t *testing.T) {
	srv := ststest.NewTest(t)
	google := &googleSTS{aws: srv.Client(), host: "sts.cn-north-1.amazonaws.com.cn", life: 3600}
	fake := httptest.NewServer(google)
	defer fake.Close()
	subject := &oauth2sts.GoogleSubject{Proof: &proof.GCP{
		Client:   &stsquery.Client{Region: "cn-north-1", Credentials: srv.User(), HTTPClient: srv.Client()},
		Audience: pool,
	}}
	tokens, err := externalaccount.NewTokenSource(context.WithValue(t.Context(), oauth2.HTTPClient, fake.Client()), externalaccount.Config{
		Audience:             pool,
		SubjectTokenType:     "urn:ietf:params:aws:token-type:aws4_request",
		TokenURL:             fake.URL + "/v1/token",
		SubjectTokenSupplier: subject,
	})
	require.NoError(t, err)
	token, err := tokens.Token()
	require.NoError(t, err)
	require.Equal(t, "google-1", token.AccessToken)
	require.Equal(t, []string{"arn:aws:iam::123456789012:user/alice"}, google.callers)

	_, err = (&oauth2sts.GoogleSubject{}).SubjectToken(t.Context(), none)
	require.ErrorIs(t, err, stschain.ErrPermanent)
	_, err = (&oauth2sts.GoogleSubject{Proof: &proof.GCP{Audience: pool}}).SubjectToken(t.Context(), none)
	require.EqualError(t, err, "oauth2sts: proof: no subject token for Google Cloud: Client is missing")
}

// What STS does not believe is refused: the test above does not pass by itself.
func TestGoogleRefusesAStranger(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals()
	google := &googleSTS{aws: srv.Client(), life: 3600}
	tokens := exchange(t, google, &oauth2sts.Google{Region: "eu-west-1", Credentials: stschain.Static("AKIDSTRANGER", "hunter4711", "")})
	_, err := tokens.Token()
	require.ErrorContains(t, err, "STS says InvalidClientTokenId")
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "hunter4711")
	require.Empty(t, google.callers)
}

// counted makes a provider of a function of the number of its call.
func counted(f func(n int) (stschain.Credentials, error)) (stschain.Provider, *int) {
	n := 0
	return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		n++
		return f(n)
	}), &n
}

func living(d time.Duration) stschain.Credentials {
	return stschain.Credentials{
		AccessKeyID:     "AKIDEXAMPLE",
		SecretAccessKey: stschain.NewSecret("hunter4711"),
		SessionToken:    stschain.NewSecret("token-hunter4711"),
		Expires:         time.Now().Add(d),
	}
}

func TestGoogleCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, calls := counted(func(int) (stschain.Credentials, error) { return living(time.Hour), nil })
		g := &oauth2sts.Google{Credentials: source, Region: "eu-west-1"}
		var nobodys context.Context
		for range 3 {
			creds, err := g.AwsSecurityCredentials(nobodys, none)
			require.NoError(t, err)
			require.Equal(t, &externalaccount.AwsSecurityCredentials{
				AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "hunter4711", SessionToken: "token-hunter4711",
			}, creds)
		}
		require.Equal(t, 1, *calls)
		<-time.After(time.Hour - 20*time.Second) // in which they would die
		_, err := g.AwsSecurityCredentials(t.Context(), none)
		require.NoError(t, err)
		require.Equal(t, 2, *calls)
		synctest.Wait()
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", g, g, g), "hunter4711")
	})
}

// A proof that would be expired is not made. One that lives just long enough is, while
// refreshes fail.
func TestGoogleCredentialsAboutToDie(t *testing.T) {
	down := errors.New("the source is down")
	synctest.Test(t, func(t *testing.T) {
		source, _ := counted(func(n int) (stschain.Credentials, error) {
			if n > 1 {
				return stschain.Credentials{}, down
			}
			return living(time.Hour), nil
		})
		g := &oauth2sts.Google{Credentials: &stschain.Cache{Provider: source, MaxStale: time.Hour}, Region: "eu-west-1"}
		_, err := g.AwsSecurityCredentials(t.Context(), none)
		require.NoError(t, err)
		<-time.After(time.Hour - 40*time.Second)
		_, err = g.AwsSecurityCredentials(t.Context(), none)
		require.NoError(t, err)
		<-time.After(15 * time.Second)
		_, err = g.AwsSecurityCredentials(t.Context(), none)
		require.ErrorIs(t, err, down)
		<-time.After(time.Minute)
		_, err = g.AwsSecurityCredentials(t.Context(), none)
		require.ErrorIs(t, err, down, "stale credentials prove nothing")
	})
}

func TestGoogleFailures(t *testing.T) {
	refused := errors.New("refused")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		g    *oauth2sts.Google
		ctx  context.Context
		want string
		is   error
	}{
		"no source": {&oauth2sts.Google{Region: "eu-west-1"}, t.Context(), "oauth2sts: Google.Credentials is missing", stschain.ErrPermanent},
		"typed": {&oauth2sts.Google{Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return stschain.Credentials{}, refused
		})}, t.Context(), "oauth2sts: no AWS credentials for Google Cloud: refused", refused},
		"panic": {&oauth2sts.Google{Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			panic("out of ideas")
		})}, t.Context(), "panicked at", nil},
		"expired": {&oauth2sts.Google{Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return living(-time.Second), nil
		})}, t.Context(), "expired at", nil},
		"too short": {&oauth2sts.Google{Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return living(20 * time.Second), nil
		})}, t.Context(), "30s are required", nil},
		"cancelled": {&oauth2sts.Google{Credentials: stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return living(time.Hour), nil
		})}, ended, "", context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			creds, err := test.g.AwsSecurityCredentials(test.ctx, none)
			require.ErrorContains(t, err, test.want)
			require.Nil(t, creds)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "hunter4711")
		})
	}
}

func TestGoogleRegion(t *testing.T) {
	for region, want := range map[string]string{
		"":                        "Google.Region is missing",
		"eu-west-1":               "",
		"us-gov-west-1":           "",
		"evil.example/?":          "is not a valid region name",
		"eu-west-1.evil.example#": "is not a valid region name",
		"-eu":                     "is not a valid region name",
		"EU-WEST-1":               "is not a valid region name",
	} {
		var nobodys context.Context
		got, err := (&oauth2sts.Google{Region: region}).AwsRegion(nobodys, none)
		if want == "" {
			require.NoError(t, err)
			require.Equal(t, region, got)
			continue
		}
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
	}
}
