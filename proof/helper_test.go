package proof_test

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

const (
	region       = "eu-west-1"
	secretKey    = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	sessionToken = "token/with+special=chars"
	audience     = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/aws"
	minute       = time.Minute
)

// start is the time at which the clocks of these tests begin, on a whole second.
var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func fakeClock() *clock.Mock {
	c := clock.NewMock()
	c.Set(start)
	return c
}

// example are the keys of the published examples.
var example = stschain.Static("AKIDEXAMPLE", secretKey, sessionToken)

// maker makes a token of one type.
type maker func(context.Context) (proof.Token, error)

// kind is one type of this package.
type kind struct {
	life time.Duration // of a token
	make func(p stschain.Provider, c stschain.Clock, minLife time.Duration) maker
}

func client(p stschain.Provider, c stschain.Clock) *stsquery.Client {
	return &stsquery.Client{Credentials: p, Region: region, Clock: c}
}

// kinds are all types whose tokens are signed locally.
var kinds = map[string]kind{
	"EKS": {14 * minute, func(p stschain.Provider, c stschain.Clock, m time.Duration) maker {
		return (&proof.EKS{Client: client(p, c), Cluster: "production", MinLife: m}).Token
	}},
	"ExecCredential": {14 * minute, func(p stschain.Provider, c stschain.Clock, m time.Duration) maker {
		e := &proof.EKS{Client: client(p, c), Cluster: "production", MinLife: m}
		return func(ctx context.Context) (proof.Token, error) { return e.ExecCredential(ctx, "") }
	}},
	"Vault": {15 * minute, func(p stschain.Provider, c stschain.Clock, m time.Duration) maker {
		return (&proof.Vault{Client: client(p, c), ServerID: "vault.example.com", Role: "web", MinLife: m}).Token
	}},
	"GCP": {15 * minute, func(p stschain.Provider, c stschain.Clock, m time.Duration) maker {
		return (&proof.GCP{Client: client(p, c), Audience: audience, MinLife: m}).Token
	}},
	"CallerIdentity.URL": {15 * minute, func(p stschain.Provider, c stschain.Clock, m time.Duration) maker {
		return (&proof.CallerIdentity{Client: client(p, c), Header: "X-LakeFS-Server-ID", Audience: "lake", MinLife: m}).URL
	}},
	"CallerIdentity.Request": {15 * minute, func(p stschain.Provider, c stschain.Clock, m time.Duration) maker {
		id := &proof.CallerIdentity{Client: client(p, c), Header: "X-LakeFS-Server-ID", Audience: "lake", MinLife: m}
		return func(ctx context.Context) (proof.Token, error) {
			r, err := id.Request(ctx)
			return proof.Token{Value: stschain.NewSecret(r.Reveal().Get("Authorization")), Expires: r.Expires}, err
		}
	}},
	"RDS": {15 * minute, func(p stschain.Provider, c stschain.Clock, m time.Duration) maker {
		return (&proof.RDS{Credentials: p, Region: region, Endpoint: "db.example:5432", User: "jane", MinLife: m, Clock: c}).Token
	}},
	"DSQL": {15 * minute, func(p stschain.Provider, c stschain.Clock, m time.Duration) maker {
		return (&proof.DSQL{Credentials: p, Region: region, Endpoint: "abc.dsql.eu-west-1.on.aws", MinLife: m, Clock: c}).Token
	}},
	"ElastiCache": {15 * minute, func(p stschain.Provider, c stschain.Clock, m time.Duration) maker {
		return (&proof.ElastiCache{Credentials: p, Region: region, Cache: "cache-01", User: "jane", MinLife: m, Clock: c}).Token
	}},
	"MemoryDB": {15 * minute, func(p stschain.Provider, c stschain.Clock, m time.Duration) maker {
		return (&proof.MemoryDB{Credentials: p, Region: region, Cluster: "cluster-01", User: "jane", MinLife: m, Clock: c}).Token
	}},
	"IoTWebSocket": {15 * minute, func(p stschain.Provider, c stschain.Clock, m time.Duration) maker {
		return (&proof.IoTWebSocket{Credentials: p, Region: region, Endpoint: "abc-ats.iot.eu-west-1.amazonaws.com", MinLife: m, Clock: c}).URL
	}},
	"MSK": {15 * minute, func(p stschain.Provider, c stschain.Clock, m time.Duration) maker {
		return (&proof.MSK{Credentials: p, Region: region, MinLife: m, Clock: c}).Token
	}},
}

// source returns other credentials each time, which are valid for life.
type source struct {
	clock   stschain.Clock
	life    atomic.Int64 // a time.Duration
	err     atomic.Pointer[error]
	calls   atomic.Int64
	prompts bool
}

func newSource(c stschain.Clock, life time.Duration) *source {
	s := &source{clock: c}
	s.life.Store(int64(life))
	return s
}

func (s *source) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	if s.prompts {
		if err := stschain.Prompt(ctx); err != nil {
			return stschain.Credentials{}, err
		}
	}
	n := s.calls.Add(1)
	if err := s.err.Load(); err != nil {
		return stschain.Credentials{}, *err
	}
	return stschain.Credentials{
		AccessKeyID:     "ASIAEXAMPLE" + string(rune('A'+n%26)),
		SecretAccessKey: stschain.NewSecret(secretKey),
		SessionToken:    stschain.NewSecret(sessionToken),
		Expires:         s.clock.Now().Add(time.Duration(s.life.Load())),
		Origin:          "a test",
	}, nil
}

// fromEKS returns the URL in a token.
func fromEKS(t testing.TB, token string) *url.URL {
	t.Helper()
	encoded, ok := strings.CutPrefix(token, "k8s-aws-v1.")
	require.True(t, ok)
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	require.NoError(t, err)
	u, err := url.Parse(string(text))
	require.NoError(t, err)
	return u
}

// send sends a request to a fake STS, and returns the status and the body of the response.
func send(t *testing.T, srv *ststest.Server, method, url string, header http.Header, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header = header
	resp, err := srv.Client().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

// response returns a response to r.
func response(r *http.Request, status int, contentType, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
	}
}
