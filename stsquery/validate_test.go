package stsquery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/stsquery"
)

// proper is a request without anything wrong, for one to be put in.
func proper(change func(*stsquery.AssumeRoleInput)) stsquery.AssumeRoleInput {
	in := stsquery.AssumeRoleInput{RoleARN: "arn:aws:iam::123456789012:role/r", RoleSessionName: "ab"}
	change(&in)
	return in
}

func TestLimits(t *testing.T) {
	type in = stsquery.AssumeRoleInput
	secret := stschain.NewSecret
	n := strings.Repeat
	for name, test := range map[string]struct {
		change func(*in)
		want   string // empty: nothing is wrong
	}{
		"nothing":              {func(i *in) {}, ""},
		"no role":              {func(i *in) { i.RoleARN = "" }, "RoleARN is missing"},
		"short role":           {func(i *in) { i.RoleARN = n("r", 19) }, "RoleARN is \"rrrrrrrrrrrrrrrrrrr\" of 19 characters, and 20 to 2048 are allowed"},
		"shortest role":        {func(i *in) { i.RoleARN = n("r", 20) }, ""},
		"longest role":         {func(i *in) { i.RoleARN = n("r", 2048) }, ""},
		"long role":            {func(i *in) { i.RoleARN = n("r", 2049) }, "RoleARN is \"" + n("r", 64) + "\"... of 2049 characters"},
		"no session name":      {func(i *in) { i.RoleSessionName = "" }, "RoleSessionName is missing"},
		"short session name":   {func(i *in) { i.RoleSessionName = "a" }, "RoleSessionName is \"a\" of 1 characters, and 2 to 64 are allowed"},
		"longest session name": {func(i *in) { i.RoleSessionName = n("a", 64) }, ""},
		"long session name":    {func(i *in) { i.RoleSessionName = n("a", 65) }, "of 65 characters"},
		"all of its letters":   {func(i *in) { i.RoleSessionName = "aZ09_+=,.@-" }, ""},
		"session name":         {func(i *in) { i.RoleSessionName = "a b" }, "RoleSessionName is \"a b\", and only letters, digits and _+=,.@- are allowed"},
		"umlaut":               {func(i *in) { i.RoleSessionName = "äb" }, "RoleSessionName is"},
		"line break":           {func(i *in) { i.RoleSessionName = "ab\n" }, `RoleSessionName is "ab\n", with control characters`},
		"duration":             {func(i *in) { i.Duration = 15*time.Minute - time.Second }, "Duration is 14m59s, and 15m0s to 12h0m0s are allowed"},
		"shortest duration":    {func(i *in) { i.Duration = 15 * time.Minute }, ""},
		"longest duration":     {func(i *in) { i.Duration = 12 * time.Hour }, ""},
		"long duration":        {func(i *in) { i.Duration = 12*time.Hour + time.Second }, "Duration is 12h0m1s"},
		"negative duration":    {func(i *in) { i.Duration = -time.Hour }, "Duration is -1h0m0s, and must not be negative"},
		"fraction":             {func(i *in) { i.Duration = time.Hour + 1500*time.Millisecond }, "Duration is 1h0m1.5s, and only whole seconds are allowed"},
		"policy":               {func(i *in) { i.Policy = "{\r\n\t\"a\": [\"ÿ\"]}" }, ""},
		"long policy":          {func(i *in) { i.Policy = `"` + n("x", 10_000) + `"` }, ""},
		"policy is no JSON":    {func(i *in) { i.Policy = "{" }, `Policy is "{", which is not JSON`},
		"policy beyond U+00FF": {func(i *in) { i.Policy = `"Ā"` }, "Policy is"},
		"policy with a NUL":    {func(i *in) { i.Policy = "\"\x00\"" }, "Policy is"},
		"10 policy ARNs":       {func(i *in) { i.PolicyARNs = strings.Fields(n(n("r", 20)+" ", 10)) }, ""},
		"11 policy ARNs":       {func(i *in) { i.PolicyARNs = strings.Fields(n(n("r", 20)+" ", 11)) }, "PolicyARNs has 11 members, and at most 10 are allowed"},
		"short policy ARN":     {func(i *in) { i.PolicyARNs = []string{n("r", 20), "x"} }, "PolicyARNs[1] is \"x\" of 1 characters"},
		"empty policy ARN":     {func(i *in) { i.PolicyARNs = []string{""} }, "PolicyARNs[0] is missing"},
		"50 tags":              {func(i *in) { i.Tags = tags(50) }, ""},
		"51 tags":              {func(i *in) { i.Tags = tags(51) }, "Tags has 51 members, and at most 50 are allowed"},
		"tag":                  {func(i *in) { i.Tags = []stsquery.Tag{{Key: "Größe in m_.:/=+-@", Value: ""}} }, ""},
		"tag without key":      {func(i *in) { i.Tags = []stsquery.Tag{{Value: "v"}} }, "Tags[0].Key is missing"},
		"128-character key":    {func(i *in) { i.Tags = []stsquery.Tag{{Key: n("ä", 128)}} }, ""},
		"129-character key":    {func(i *in) { i.Tags = []stsquery.Tag{{Key: n("ä", 129)}} }, "of 129 characters, and 1 to 128 are allowed"},
		"256-character value":  {func(i *in) { i.Tags = []stsquery.Tag{{Key: "k", Value: n("v", 256)}} }, ""},
		"257-character value":  {func(i *in) { i.Tags = []stsquery.Tag{{Key: "k", Value: n("v", 257)}} }, "Tags[0].Value is"},
		"odd tag":              {func(i *in) { i.Tags = []stsquery.Tag{{Key: "k", Value: "a;b"}} }, "Tags[0].Value is \"a;b\", and only"},
		"duplicate tags":       {func(i *in) { i.Tags = []stsquery.Tag{{Key: "Team"}, {Key: "x"}, {Key: "tEAM"}} }, `Tags[2].Key is "tEAM", which is the same as Tags[0].Key`},
		"transitive keys":      {func(i *in) { i.TransitiveTagKeys = strings.Fields(n("k ", 51)) }, "TransitiveTagKeys has 51 members"},
		"empty transitive key": {func(i *in) { i.TransitiveTagKeys = []string{""} }, "TransitiveTagKeys[0] is missing"},
		"external ID":          {func(i *in) { i.ExternalID = "a1_+=,.@:/-" }, ""},
		"short external ID":    {func(i *in) { i.ExternalID = "x" }, "ExternalID is"},
		"long external ID":     {func(i *in) { i.ExternalID = n("x", 1225) }, "ExternalID is"},
		"odd external ID":      {func(i *in) { i.ExternalID = "a b" }, "ExternalID is"},
		"source identity":      {func(i *in) { i.SourceIdentity = "aws:x" }, "SourceIdentity is \"aws:x\", and"},
		"reserved identity":    {func(i *in) { i.SourceIdentity = "aws" }, ""},
		"MFA":                  {func(i *in) { i.SerialNumber, i.TokenCode = "GAHT12345678", secret(mfaCode) }, ""},
		"code alone":           {func(i *in) { i.TokenCode = secret(mfaCode) }, "SerialNumber is missing"},
		"serial alone":         {func(i *in) { i.SerialNumber = "GAHT12345678" }, "TokenCode is missing"},
		"short serial":         {func(i *in) { i.SerialNumber, i.TokenCode = "GAHT1234", secret(mfaCode) }, "SerialNumber is"},
		"long code":            {func(i *in) { i.SerialNumber, i.TokenCode = "GAHT12345678", secret(mfaCode+"0") }, "TokenCode is a secret of 7 characters, and exactly 6 are allowed"},
		"code of letters":      {func(i *in) { i.SerialNumber, i.TokenCode = "GAHT12345678", secret("abcdef") }, "TokenCode is a secret, and only digits are allowed"},
		"code with a newline":  {func(i *in) { i.SerialNumber, i.TokenCode = "GAHT12345678", secret(mfaCode+"\n") }, "TokenCode is a secret, with control characters"},
		"6 contexts": {func(i *in) { i.ProvidedContexts = make([]stsquery.ProvidedContext, 6) },
			"ProvidedContexts has 6 members, and at most 5 are allowed"},
		"empty context": {func(i *in) { i.ProvidedContexts = make([]stsquery.ProvidedContext, 1) },
			"ProvidedContexts[0].ProviderARN is missing; ProvidedContexts[0].Assertion is missing"},
		"long assertion": {func(i *in) { i.ProvidedContexts = []stsquery.ProvidedContext{{n("r", 20), secret(n("x", 2049))}} },
			"ProvidedContexts[0].Assertion is a secret of 2049 characters"},
		"largest token size":  {func(i *in) { i.MinimumSessionTokenSize = 4096 }, ""},
		"token size":          {func(i *in) { i.MinimumSessionTokenSize = 4097 }, "MinimumSessionTokenSize is 4097, and 0 to 4096 are allowed"},
		"negative token size": {func(i *in) { i.MinimumSessionTokenSize = -1 }, "MinimumSessionTokenSize is -1"},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := scripted(ok)
			_, err := c.AssumeRole(t.Context(), proper(test.change))
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.Empty(t, s.bodies, "nothing was sent")
			canary.Check(t, mfaCode, err)
			_, err = c.Presign(t.Context(), stsquery.PresignInput{Input: proper(test.change)})
			require.ErrorContains(t, err, test.want)
		})
	}
}

func tags(n int) (tags []stsquery.Tag) {
	for i := range n {
		tags = append(tags, stsquery.Tag{Key: strings.Repeat("k", i+1)})
	}
	return tags
}

// Everything that is wrong is reported at once.
func TestAllViolations(t *testing.T) {
	c, _ := scripted()
	_, err := c.AssumeRole(t.Context(), stsquery.AssumeRoleInput{Duration: time.Minute, ExternalID: "x", Policy: "{"})
	require.EqualError(t, err, `stsquery: AssumeRole: not sent, because RoleARN is missing; RoleSessionName is missing; `+
		`Duration is 1m0s, and 15m0s to 12h0m0s are allowed; Policy is "{", which is not JSON; ExternalID is "x" of 1 characters, and 2 to 1224 are allowed`)
	_, err = c.GetSessionToken(t.Context(), stsquery.GetSessionTokenInput{Duration: 37 * time.Hour, MinimumSessionTokenSize: 5000})
	require.EqualError(t, err, `stsquery: GetSessionToken: not sent, because Duration is 37h0m0s, and 15m0s to 36h0m0s are allowed; `+
		`MinimumSessionTokenSize is 5000, and 0 to 4096 are allowed`)
}

// Other servers have limits of their own: only what nobody can mean is refused.
// Peers: minio#21421 (users.md 1.2.11).
func TestLimitsOfOtherServers(t *testing.T) {
	c, s := scripted(ok)
	c.Endpoint = "https://minio.example.com"
	_, err := c.AssumeRole(t.Context(), stsquery.AssumeRoleInput{
		RoleSessionName: "a b", Duration: time.Second, Policy: "no JSON", Tags: tags(51), SerialNumber: "x", TokenCode: stschain.NewSecret("abc"),
	})
	require.NoError(t, err)
	require.Len(t, s.bodies, 1)

	_, err = c.AssumeRole(t.Context(), stsquery.AssumeRoleInput{
		RoleARN: "a\x00b", Duration: -time.Second, Tags: []stsquery.Tag{{Key: "k", Value: "\x7f"}}, TokenCode: stschain.NewSecret("\n"), MinimumSessionTokenSize: -1,
	})
	for _, field := range []string{"RoleARN is", "Duration is", "Tags[0].Value is", "TokenCode is", "MinimumSessionTokenSize is"} {
		require.ErrorContains(t, err, field)
	}
	_, err = c.GetSessionToken(t.Context(), stsquery.GetSessionTokenInput{Duration: 1500 * time.Millisecond})
	require.ErrorContains(t, err, "whole seconds")
	require.Len(t, s.bodies, 1)
}
