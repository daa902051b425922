package stsquery_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// Calls are signed for the region set, or for the region of the endpoint if it is empty. Presigned URLs and unsigned
// operations are as they are without one.
func TestSigningRegionSet(t *testing.T) {
	for _, test := range []struct {
		client *stsquery.Client
		set    sigv4.RegionSet
		want   string
	}{
		{&stsquery.Client{Region: "eu-west-1"}, sigv4.Regions("us-east-1", "eu-west-1"), "us-east-1,eu-west-1"},
		{&stsquery.Client{Region: "eu-west-1"}, sigv4.Regions("*"), "*"},
		{&stsquery.Client{Region: "eu-west-1"}, sigv4.Regions(), "eu-west-1"},
		{&stsquery.Client{Region: "aws-global"}, sigv4.Regions(), "us-east-1"},
		{&stsquery.Client{Region: "us-west-2", SigningRegion: "us-east-1"}, sigv4.Regions(), "us-east-1"},
		{&stsquery.Client{Endpoint: "https://sts.example"}, sigv4.Regions("*"), "*"},
		{&stsquery.Client{Region: "eu-west-1"}, nil, ""},
	} {
		srv := ststest.NewTest(t)
		if test.client.SigningRegion != "" {
			srv.Region = test.client.SigningRegion
		}
		c := test.client
		c.Credentials, c.HTTPClient, c.SigningRegionSet = srv.User(), srv.Client(), test.set
		var note string
		ctx := stschain.WithTrace(t.Context(), &stschain.Trace{End: func(_ context.Context, s stschain.Step) {
			if s.Kind == stschain.StepRequest {
				note = s.Note
			}
		}})
		_, err := c.GetCallerIdentity(ctx)
		require.NoError(t, err)
		_, err = c.AssumeRole(ctx, stsquery.AssumeRoleInput{RoleARN: "arn:aws:iam::123456789012:role/r", RoleSessionName: "nightly"})
		require.NoError(t, err)
		for _, call := range srv.Calls() {
			require.Equal(t, test.want, call.Header.Get("X-Amz-Region-Set"))
		}
		if test.set != nil {
			require.Equal(t, "signed with SigV4a for "+test.want, note)
		} else {
			require.Empty(t, note)
		}
		_, err = c.AssumeRoleWithWebIdentity(ctx, stsquery.AssumeRoleWithWebIdentityInput{
			RoleARN: "arn:aws:iam::123456789012:role/r", RoleSessionName: "nightly", WebIdentityToken: srv.Issuer().Token(nil),
		})
		require.NoError(t, err)
		require.Empty(t, note)
		if c.Region == "" {
			continue
		}
		signed, err := c.Presign(ctx, stsquery.PresignInput{Input: stsquery.GetCallerIdentityInput{}})
		require.NoError(t, err)
		require.Contains(t, signed.URL.Reveal(), "X-Amz-Algorithm=AWS4-HMAC-SHA256&")
		require.NotContains(t, signed.URL.Reveal(), "Region-Set")
	}
}

// A region set that is not valid is a permanent error, before anything is sent.
func TestSigningRegionSetRefused(t *testing.T) {
	for want, set := range map[string]sigv4.RegionSet{
		`"a,b" in the region set is not a valid region name`:  sigv4.Regions("a,b"),
		`"" in the region set is not a valid region name`:     sigv4.Regions("*", ""),
		`"eu " in the region set is not a valid region name`:  sigv4.Regions("eu "),
		"the region set is empty, and so is Region: name the": sigv4.Regions(),
	} {
		srv := ststest.NewTest(t)
		c := &stsquery.Client{Credentials: srv.User(), Endpoint: "https://sts.example", HTTPClient: srv.Client(), SigningRegionSet: set}
		_, err := c.GetCallerIdentity(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, stschain.ErrPermanent)
		require.Zero(t, srv.Count(""))
		require.False(t, strings.Contains(err.Error(), srv.User().Credentials.SecretAccessKey.Reveal()))
	}
}
