package stsquery_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// A server that verifies what it is sent accepts a presigned request of each
// operation, with the headers that were signed and not without.
// Report: aws-sdk-go-v2#1787.
func TestPresign(t *testing.T) {
	srv := ststest.NewTest(t)
	srv.AllowRefusals()
	c := &stsquery.Client{Credentials: srv.User(), Region: "eu-west-1", HTTPClient: srv.Client()}
	get := func(signed stsquery.Presigned, header http.Header) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, signed.URL.Reveal(), nil)
		require.NoError(t, err)
		req.Header = header
		resp, err := srv.Client().Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	role := proper(func(in *stsquery.AssumeRoleInput) {
		in.Tags = []stsquery.Tag{{Key: "Cost Center", Value: "a+b/c=d ä"}}
		in.Policy = `{"Version": "2012-10-17"}`
	})
	for _, in := range []stsquery.Input{stsquery.GetCallerIdentityInput{}, stsquery.GetSessionTokenInput{Duration: time.Hour}, role} {
		header := http.Header{"x-k8s-aws-id": {"my-cluster"}}
		signed, err := c.Presign(t.Context(), stsquery.PresignInput{Input: in, Header: header})
		require.NoError(t, err)
		require.Equal(t, http.Header{"x-k8s-aws-id": {"my-cluster"}}, header, "it is not changed")
		require.Equal(t, "sts.eu-west-1.amazonaws.com", signed.Header.Get("Host"))
		require.Equal(t, "my-cluster", signed.Header.Get("X-K8s-Aws-Id"))
		status, body := get(signed, signed.Header)
		require.Equal(t, http.StatusOK, status, body)
		for _, other := range []http.Header{{}, {"X-K8s-Aws-Id": {"other-cluster"}}} {
			status, _ = get(signed, other)
			require.Equal(t, http.StatusForbidden, status)
		}
	}
	require.Empty(t, srv.Calls()[0].Header.Get("Authorization"))
	require.True(t, srv.Calls()[0].Presigned)
}

// Reports: aws-sdk-ruby#2872, botocore#2604, aws-sdk-go-v2#1557.
func TestPresignedExpires(t *testing.T) {
	fake := clock.NewMock()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	fake.Set(now)
	for name, test := range map[string]struct {
		life     time.Duration
		creds    time.Duration // 0: for good
		endpoint string
		want     time.Duration
		query    string
	}{
		"default":                         {0, 0, "", 15 * time.Minute, "900"},
		"a minute":                        {time.Minute, 0, "", time.Minute, "60"},
		"credentials end first":           {0, 5 * time.Minute, "", 5 * time.Minute, "900"},
		"credentials end later":           {0, time.Hour, "", 15 * time.Minute, "900"},
		"STS takes no more than 15 min":   {time.Hour, 0, "", 15 * time.Minute, "3600"},
		"another server may":              {time.Hour, 0, "https://sts.example.com", time.Hour, "3600"},
		"another server, credentials end": {time.Hour, 59 * time.Minute, "https://sts.example.com", 59 * time.Minute, "3600"},
		"the longest":                     {7 * 24 * time.Hour, 0, "https://sts.example.com", 7 * 24 * time.Hour, "604800"},
	} {
		t.Run(name, func(t *testing.T) {
			creds := stschain.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: stschain.NewSecret(secretKey)}
			if test.creds > 0 {
				creds.Expires = now.Add(test.creds)
			}
			c := &stsquery.Client{Credentials: provide(creds), Region: "us-east-1", Endpoint: test.endpoint, Clock: fake}
			signed, err := c.Presign(t.Context(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}, Duration: test.life})
			require.NoError(t, err)
			require.True(t, now.Add(test.want).Equal(signed.Expires), "%v", signed.Expires)
			u, err := url.Parse(signed.URL.Reveal())
			require.NoError(t, err)
			require.Equal(t, test.query, u.Query().Get("X-Amz-Expires"))
			require.Equal(t, "20261121T120000Z", u.Query().Get("X-Amz-Date"))
			require.Equal(t, "GetCallerIdentity", u.Query().Get("Action"))
			require.Equal(t, "2011-06-15", u.Query().Get("Version"))
		})
	}
}

// RetrieveFor avoids a URL that expires early.
// Reports: minio-go#1075, botocore#2604.
func TestPresignWithRetrieveFor(t *testing.T) {
	fake := clock.NewMock()
	fake.Set(time.Now())
	base := &rotating{life: time.Hour}
	cache := &stschain.Cache{Provider: base, Clock: fake, AdvisoryWindow: time.Minute}
	c := &stsquery.Client{Credentials: cache, Region: "us-east-1", Clock: fake}
	_, err := cache.Retrieve(t.Context())
	require.NoError(t, err)
	fake.Add(50 * time.Minute)

	signed, err := c.Presign(t.Context(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
	require.NoError(t, err)
	require.WithinDuration(t, fake.Now().Add(10*time.Minute), signed.Expires, time.Minute)

	base.life = 2 * time.Hour // by the real clock
	_, err = cache.RetrieveFor(t.Context(), 15*time.Minute)
	require.NoError(t, err)
	signed, err = c.Presign(t.Context(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
	require.NoError(t, err)
	require.Equal(t, fake.Now().Add(15*time.Minute), signed.Expires)
}

func TestPresignRegion(t *testing.T) {
	for endpoint, host := range map[string]string{"": "sts.cn-north-1.amazonaws.com.cn", "https://sts.example.com": "sts.example.com"} {
		c := &stsquery.Client{Credentials: stschain.Static("AKIDEXAMPLE", secretKey, ""), Region: "us-east-1", Endpoint: endpoint}
		signed, err := c.Presign(t.Context(), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}, Region: "cn-north-1"})
		require.NoError(t, err)
		u, err := url.Parse(signed.URL.Reveal())
		require.NoError(t, err)
		require.Equal(t, host, u.Host)
		require.Contains(t, u.Query().Get("X-Amz-Credential"), "/cn-north-1/sts/")
	}
}

func TestPresignRefusals(t *testing.T) {
	c := &stsquery.Client{Credentials: stschain.Static("AKIDEXAMPLE", secretKey, ""), Region: "us-east-1"}
	who := stsquery.GetCallerIdentityInput{}
	for name, test := range map[string]struct {
		in   stsquery.PresignInput
		want string
	}{
		"zero":           {stsquery.PresignInput{}, "Input is missing"},
		"negative life":  {stsquery.PresignInput{Input: who, Duration: -time.Second}, "life of -1s"},
		"half a second":  {stsquery.PresignInput{Input: who, Duration: 500 * time.Millisecond}, "life of 500ms"},
		"more than week": {stsquery.PresignInput{Input: who, Duration: 7*24*time.Hour + time.Second}, "life of 168h0m1s"},
		"empty header":   {stsquery.PresignInput{Input: who, Header: http.Header{"X-K8s-Aws-Id": {""}}}, `Header has "X-K8s-Aws-Id"`},
		"unstable":       {stsquery.PresignInput{Input: who, Header: http.Header{"User-Agent": {"x"}}}, `Header has "User-Agent"`},
		"host":           {stsquery.PresignInput{Input: who, Header: http.Header{"Host": {"h"}}}, `Header has "Host"`},
		"date":           {stsquery.PresignInput{Input: who, Header: http.Header{"X-Amz-Date": {"20260101T000000Z"}}}, `Header has "X-Amz-Date"`},
		"invalid input":  {stsquery.PresignInput{Input: stsquery.AssumeRoleInput{}}, "RoleARN is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			signed, err := c.Presign(t.Context(), test.in)
			require.ErrorContains(t, err, test.want)
			var e *stsquery.Error
			require.True(t, errors.As(err, &e))
			require.Zero(t, signed)
		})
	}
}

// Package proof signs requests to the client's endpoint itself.
func TestTarget(t *testing.T) {
	c := &stsquery.Client{Credentials: touchy{t}, Endpoint: "sts.example.com:8443/a?b=c", SigningRegion: "home", SigningName: "iam"}
	c.SetSkew(time.Hour)
	var to wire.Target
	_, err := c.Presign(wire.WithTarget(t.Context(), &to), stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
	require.NoError(t, err)
	require.Equal(t, "https://sts.example.com:8443/a?b=c", to.URL.String())
	to.URL = nil
	require.Equal(t, wire.Target{Region: "home", Service: "iam", Ahead: time.Hour}, to)
}
