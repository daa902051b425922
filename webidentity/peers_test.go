package webidentity_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

// With an STS that takes five seconds only the first caller waits, for hours; and it is the region's.
// Reports: aws-sdk-go#4385, aws-sdk-java-v2#1667.
func TestSlowSTSHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		p := with(srv, func(context.Context) (stschain.Secret, error) {
			<-time.After(5 * time.Second)
			return srv.Issuer().Token(nil), nil
		})
		cache := stschain.Cached(p)
		_, err := cache.Retrieve(t.Context())
		require.NoError(t, err)
		for begin := time.Now(); time.Since(begin) < 4*time.Hour; <-time.After(time.Second) {
			called := time.Now()
			_, err := cache.Retrieve(t.Context())
			require.NoError(t, err)
			require.Zero(t, time.Since(called))
		}
		require.Greater(t, srv.Count(""), 4)
		for _, call := range srv.Calls() {
			require.Equal(t, "sts.eu-west-1.amazonaws.com", call.Host)
		}
	})
}

// The kubelet writes a new token every hour or more often. That alone causes no call of STS.
// Reports: eks-pod-identity-agent#143, crossplane#828, source-controller#938.
func TestTokenThatRotatesCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		path := write(t, srv.Issuer().Token(nil).Reveal())
		cache := stschain.Cached(with(srv, webidentity.TokenFile(path)))
		for range 40 {
			_, err := cache.Retrieve(t.Context())
			require.NoError(t, err)
			replace(t, path, srv.Issuer().Token(nil).Reveal())
			<-time.After(time.Minute)
		}
		require.Equal(t, 1, srv.Count(""))
	})
}

// A refusal is remembered: callers do not cause one STS call each.
// Reports: kubernetes#99328, cloud-provider-aws#284.
func TestDeniedIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ststest.NewTest(t)
		srv.AddRole(ststest.Role{ARN: roleARN, WebIdentity: []ststest.WebIdentityTrust{{Subject: "another"}}})
		srv.AllowRefusals("AccessDenied")
		cache := stschain.Cached(with(srv, tokens(srv.Issuer().Token(nil))))
		for range 6000 {
			_, err := cache.Retrieve(t.Context())
			require.ErrorIs(t, err, stschain.ErrPermanent)
			<-time.After(10 * time.Millisecond)
		}
		require.Less(t, srv.Count(""), 60, "one to five seconds apart, for a minute")
	})
}

// Settings in code take precedence over the variables of the pod.
// Reports: aws-sdk-go-v2#2015, VictoriaMetrics#9168.
func TestInCodeBesideTheEnvironment(t *testing.T) {
	srv := ststest.NewTest(t)
	path := write(t, srv.Issuer().Token(nil).Reveal())
	for name, value := range map[string]string{
		"AWS_WEB_IDENTITY_TOKEN_FILE": path, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/of-the-pod",
		"AWS_ROLE_SESSION_NAME": "of-the-pod", "AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-1",
	} {
		t.Setenv(name, value)
	}
	p := with(srv, webidentity.TokenFile(path))
	p.SessionName, p.Duration = "of-the-code", 20*time.Minute
	out, err := p.AssumeRoleWithWebIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/of-the-code", out.AssumedRoleUser.ARN)
	call := srv.Calls()[0]
	require.Equal(t, []string{"sts.eu-west-1.amazonaws.com", "1200"}, []string{call.Host, call.Form.Get("DurationSeconds")})
}

// The role of the pod can assume another role.
// Reports: VictoriaMetrics#3822, aws-sdk-go#4830.
func TestRoleOverTheRoleOfThePod(t *testing.T) {
	srv := ststest.NewTest(t)
	first := with(srv, tokens(srv.Issuer().Token(nil)))
	client := &stsquery.Client{Credentials: first, Region: "eu-west-1", HTTPClient: srv.Client()}
	for i := range 3 { // the first role is cached
		out, err := client.AssumeRole(t.Context(), stsquery.AssumeRoleInput{
			RoleARN: fmt.Sprintf("arn:aws:iam::%d23456789012:role/other", i), RoleSessionName: "session",
		})
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("arn:aws:sts::%d23456789012:assumed-role/other/session", i), out.AssumedRoleUser.ARN)
	}
	require.Equal(t, 1, srv.Count("AssumeRoleWithWebIdentity"))
}
