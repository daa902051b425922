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

// with is an input with one change.
func with[T stsquery.Input](in T, change func(*T)) stsquery.Input {
	change(&in)
	return in
}

// The limits of each operation, at AWS and elsewhere.
func TestLimits(t *testing.T) {
	type (
		in     = stsquery.AssumeRoleInput
		saml   = stsquery.AssumeRoleWithSAMLInput
		web    = stsquery.AssumeRoleWithWebIdentityInput
		root   = stsquery.AssumeRootInput
		decode = stsquery.DecodeAuthorizationMessageInput
		info   = stsquery.GetAccessKeyInfoInput
		trade  = stsquery.GetDelegatedAccessTokenInput
		fed    = stsquery.GetFederationTokenInput
		jwt    = stsquery.GetWebIdentityTokenInput
	)
	secret, n := stschain.NewSecret, strings.Repeat
	arn, policy := n("r", 20), `{"a":"`+strings.Repeat("x", 2040)+`"}`
	federation := fed{Name: "Bob"}
	for name, test := range map[string]struct {
		in   stsquery.Input
		want string // empty: nothing is wrong
	}{
		"role: nothing":              {proper(func(i *in) {}), ""},
		"role: no role":              {proper(func(i *in) { i.RoleARN = "" }), "RoleARN is missing"},
		"role: short role":           {proper(func(i *in) { i.RoleARN = n("r", 19) }), "RoleARN is \"rrrrrrrrrrrrrrrrrrr\" of 19 characters, and 20 to 2048 are allowed"},
		"role: shortest role":        {proper(func(i *in) { i.RoleARN = n("r", 20) }), ""},
		"role: longest role":         {proper(func(i *in) { i.RoleARN = n("r", 2048) }), ""},
		"role: long role":            {proper(func(i *in) { i.RoleARN = n("r", 2049) }), "RoleARN is \"" + n("r", 64) + "\"... of 2049 characters"},
		"role: no session name":      {proper(func(i *in) { i.RoleSessionName = "" }), "RoleSessionName is missing"},
		"role: short session name":   {proper(func(i *in) { i.RoleSessionName = "a" }), "RoleSessionName is \"a\" of 1 characters, and 2 to 64 are allowed"},
		"role: longest session name": {proper(func(i *in) { i.RoleSessionName = n("a", 64) }), ""},
		"role: long session name":    {proper(func(i *in) { i.RoleSessionName = n("a", 65) }), "of 65 characters"},
		"role: all of its letters":   {proper(func(i *in) { i.RoleSessionName = "aZ09_+=,.@-" }), ""},
		"role: session name":         {proper(func(i *in) { i.RoleSessionName = "a b" }), "RoleSessionName is \"a b\", and only letters, digits and _+=,.@- are allowed"},
		"role: umlaut":               {proper(func(i *in) { i.RoleSessionName = "äb" }), "RoleSessionName is"},
		"role: line break":           {proper(func(i *in) { i.RoleSessionName = "ab\n" }), `RoleSessionName is "ab\n", with control characters`},
		"role: duration":             {proper(func(i *in) { i.Duration = 15*time.Minute - time.Second }), "Duration is 14m59s, and 15m0s to 12h0m0s are allowed"},
		"role: shortest duration":    {proper(func(i *in) { i.Duration = 15 * time.Minute }), ""},
		"role: longest duration":     {proper(func(i *in) { i.Duration = 12 * time.Hour }), ""},
		"role: long duration":        {proper(func(i *in) { i.Duration = 12*time.Hour + time.Second }), "Duration is 12h0m1s"},
		"role: negative duration":    {proper(func(i *in) { i.Duration = -time.Hour }), "Duration is -1h0m0s, and must not be negative"},
		"role: fraction":             {proper(func(i *in) { i.Duration = time.Hour + 1500*time.Millisecond }), "Duration is 1h0m1.5s, and only whole seconds are allowed"},
		"role: policy":               {proper(func(i *in) { i.Policy = "{\r\n\t\"a\": [\"ÿ\"]}" }), ""},
		"role: long policy":          {proper(func(i *in) { i.Policy = `"` + n("x", 10_000) + `"` }), ""},
		"role: policy is not JSON":   {proper(func(i *in) { i.Policy = "{" }), `Policy is "{", which is not JSON`},
		"role: policy beyond U+00FF": {proper(func(i *in) { i.Policy = `"Ā"` }), "Policy is"},
		"role: policy with a NUL":    {proper(func(i *in) { i.Policy = "\"\x00\"" }), "with control characters"},
		"role: 10 policy ARNs":       {proper(func(i *in) { i.PolicyARNs = strings.Fields(n(n("r", 20)+" ", 10)) }), ""},
		"role: 11 policy ARNs":       {proper(func(i *in) { i.PolicyARNs = strings.Fields(n(n("r", 20)+" ", 11)) }), "PolicyARNs has 11 members, and at most 10 are allowed"},
		"role: short policy ARN":     {proper(func(i *in) { i.PolicyARNs = []string{n("r", 20), "x"} }), "PolicyARNs[1] is \"x\" of 1 characters"},
		"role: empty policy ARN":     {proper(func(i *in) { i.PolicyARNs = []string{""} }), "PolicyARNs[0] is missing"},
		"role: 50 tags":              {proper(func(i *in) { i.Tags = tags(50) }), ""},
		"role: 51 tags":              {proper(func(i *in) { i.Tags = tags(51) }), "Tags has 51 members, and at most 50 are allowed"},
		"role: tag":                  {proper(func(i *in) { i.Tags = []stsquery.Tag{{Key: "Größe in m_.:/=+-@", Value: ""}} }), ""},
		"role: tag without key":      {proper(func(i *in) { i.Tags = []stsquery.Tag{{Value: "v"}} }), "Tags[0].Key is missing"},
		"role: 128-character key":    {proper(func(i *in) { i.Tags = []stsquery.Tag{{Key: n("ä", 128)}} }), ""},
		"role: 129-character key":    {proper(func(i *in) { i.Tags = []stsquery.Tag{{Key: n("ä", 129)}} }), "of 129 characters, and 1 to 128 are allowed"},
		"role: 256-character value":  {proper(func(i *in) { i.Tags = []stsquery.Tag{{Key: "k", Value: n("v", 256)}} }), ""},
		"role: 257-character value":  {proper(func(i *in) { i.Tags = []stsquery.Tag{{Key: "k", Value: n("v", 257)}} }), "Tags[0].Value is"},
		"role: odd tag":              {proper(func(i *in) { i.Tags = []stsquery.Tag{{Key: "k", Value: "a;b"}} }), "Tags[0].Value is \"a;b\", and only"},
		"role: duplicate tags":       {proper(func(i *in) { i.Tags = []stsquery.Tag{{Key: "Team"}, {Key: "x"}, {Key: "tEAM"}} }), `Tags[2].Key is "tEAM", which is the same as Tags[0].Key`},
		"role: transitive keys":      {proper(func(i *in) { i.TransitiveTagKeys = strings.Fields(n("k ", 51)) }), "TransitiveTagKeys has 51 members"},
		"role: empty transitive key": {proper(func(i *in) { i.TransitiveTagKeys = []string{""} }), "TransitiveTagKeys[0] is missing"},
		"role: external ID":          {proper(func(i *in) { i.ExternalID = "a1_+=,.@:/-" }), ""},
		"role: short external ID":    {proper(func(i *in) { i.ExternalID = "x" }), "ExternalID is"},
		"role: long external ID":     {proper(func(i *in) { i.ExternalID = n("x", 1225) }), "ExternalID is"},
		"role: odd external ID":      {proper(func(i *in) { i.ExternalID = "a b" }), "ExternalID is"},
		"role: source identity":      {proper(func(i *in) { i.SourceIdentity = "aws:x" }), "SourceIdentity is \"aws:x\", and"},
		"role: reserved identity":    {proper(func(i *in) { i.SourceIdentity = "aws" }), ""},
		"role: MFA":                  {proper(func(i *in) { i.SerialNumber, i.TokenCode = "GAHT12345678", secret(mfaCode) }), ""},
		"role: code alone":           {proper(func(i *in) { i.TokenCode = secret(mfaCode) }), "SerialNumber is missing"},
		"role: serial alone":         {proper(func(i *in) { i.SerialNumber = "GAHT12345678" }), "TokenCode is missing"},
		"role: short serial":         {proper(func(i *in) { i.SerialNumber, i.TokenCode = "GAHT1234", secret(mfaCode) }), "SerialNumber is"},
		"role: long code":            {proper(func(i *in) { i.SerialNumber, i.TokenCode = "GAHT12345678", secret(mfaCode+"0") }), "TokenCode is a secret of 7 characters, and exactly 6 are allowed"},
		"role: code of letters":      {proper(func(i *in) { i.SerialNumber, i.TokenCode = "GAHT12345678", secret("abcdef") }), "TokenCode is a secret, and only digits are allowed"},
		"role: code with a newline":  {proper(func(i *in) { i.SerialNumber, i.TokenCode = "GAHT12345678", secret(mfaCode+"\n") }), "TokenCode is a secret, with control characters"},
		"role: 6 contexts":           {proper(func(i *in) { i.ProvidedContexts = make([]stsquery.ProvidedContext, 6) }), "ProvidedContexts has 6 members, and at most 5 are allowed"},
		"role: empty context":        {proper(func(i *in) { i.ProvidedContexts = make([]stsquery.ProvidedContext, 1) }), "ProvidedContexts[0].ProviderARN is missing; ProvidedContexts[0].Assertion is missing"},
		"role: long assertion":       {proper(func(i *in) { i.ProvidedContexts = []stsquery.ProvidedContext{{n("r", 20), secret(n("x", 2049))}} }), "ProvidedContexts[0].Assertion is a secret of 2049 characters"},
		"role: largest token size":   {proper(func(i *in) { i.MinimumSessionTokenSize = 4096 }), ""},
		"role: token size":           {proper(func(i *in) { i.MinimumSessionTokenSize = 4097 }), "MinimumSessionTokenSize is 4097, and 0 to 4096 are allowed"},
		"role: negative token size":  {proper(func(i *in) { i.MinimumSessionTokenSize = -1 }), "MinimumSessionTokenSize is -1"}, "SAML: nothing": {saml{}, "RoleARN is missing; PrincipalARN is missing; SAMLAssertion is missing"},
		"SAML: short provider":        {with(samlInput, func(in *saml) { in.PrincipalARN = "x" }), `PrincipalARN is "x" of 1 characters, and 20 to 2048 are allowed`},
		"SAML: short assertion":       {with(samlInput, func(in *saml) { in.SAMLAssertion = secret("abc") }), "SAMLAssertion is a secret of 3 characters, and 4 to 100000 are allowed"},
		"SAML: shortest assertion":    {with(samlInput, func(in *saml) { in.SAMLAssertion = secret("abcd") }), ""},
		"SAML: longest assertion":     {with(samlInput, func(in *saml) { in.SAMLAssertion = secret(n("x", 100_000) + "\n") }), ""},
		"SAML: long assertion":        {with(samlInput, func(in *saml) { in.SAMLAssertion = secret(n("x", 100_001)) }), "SAMLAssertion is a secret of 100001 characters"},
		"SAML: longest policy":        {with(samlInput, func(in *saml) { in.Policy = policy }), ""},
		"SAML: long policy":           {with(samlInput, func(in *saml) { in.Policy = policy + " " }), "of 2049 characters, and 1 to 2048 are allowed"},
		"SAML: policy is not JSON":    {with(samlInput, func(in *saml) { in.Policy = "{]" }), `Policy is "{]", which is not JSON`},
		"SAML: 11 policies":           {with(samlInput, func(in *saml) { in.PolicyARNs = strings.Fields(n(arn+" ", 11)) }), "PolicyARNs has 11 members"},
		"SAML: short duration":        {with(samlInput, func(in *saml) { in.Duration = 14 * time.Minute }), "Duration is 14m0s, and 15m0s to 12h0m0s are allowed"},
		"SAML: token size":            {with(samlInput, func(in *saml) { in.MinimumSessionTokenSize = 4097 }), "MinimumSessionTokenSize is 4097"},
		"web: nothing":                {web{}, "RoleARN is missing; RoleSessionName is missing; WebIdentityToken and Token are missing"},
		"web: short token":            {with(webInput, func(in *web) { in.WebIdentityToken = secret("abc") }), "WebIdentityToken is a secret of 3 characters, and 4 to 20000 are allowed"},
		"web: longest token":          {with(webInput, func(in *web) { in.WebIdentityToken = secret(n("x", 20_000)) }), ""},
		"web: long token":             {with(webInput, func(in *web) { in.WebIdentityToken = secret(n("x", 20_001)) }), "WebIdentityToken is a secret of 20001 characters"},
		"web: token ends in newline":  {with(webInput, func(in *web) { in.WebIdentityToken = secret("abcd\n") }), "WebIdentityToken is a secret, with control characters"},
		"web: short provider":         {with(webInput, func(in *web) { in.ProviderID = "abc" }), `ProviderID is "abc" of 3 characters, and 4 to 2048 are allowed`},
		"web: long policy":            {with(webInput, func(in *web) { in.Policy = policy + " " }), "of 2049 characters"},
		"web: session name":           {with(webInput, func(in *web) { in.RoleSessionName = "a/b" }), "RoleSessionName is"},
		"web: long duration":          {with(webInput, func(in *web) { in.Duration = 13 * time.Hour }), "Duration is 13h0m0s, and 15m0s to 12h0m0s are allowed"},
		"web: fraction":               {with(webInput, func(in *web) { in.Duration = time.Hour + 1500*time.Millisecond }), "only whole seconds are allowed"},
		"root: nothing":               {root{}, "TargetPrincipal is missing; TaskPolicyARN is missing"},
		"root: short target":          {with(rootInput, func(in *root) { in.TargetPrincipal = "12345678901" }), "TargetPrincipal is"},
		"root: a second":              {with(rootInput, func(in *root) { in.Duration = time.Second }), ""},
		"root: longest duration":      {with(rootInput, func(in *root) { in.Duration = 15 * time.Minute }), ""},
		"root: long duration":         {with(rootInput, func(in *root) { in.Duration = 15*time.Minute + time.Second }), "Duration is 15m1s, and 1s to 15m0s are allowed"},
		"root: negative duration":     {with(rootInput, func(in *root) { in.Duration = -time.Second }), "must not be negative"},
		"root: short policy":          {with(rootInput, func(in *root) { in.TaskPolicyARN = "x" }), "TaskPolicyARN is"},
		"message: nothing":            {decode{}, "EncodedMessage is missing"},
		"message: longest":            {decode{n("x", 10_240)}, ""},
		"message: long":               {decode{n("x", 10_241)}, "of 10241 characters, and 1 to 10240 are allowed"},
		"message: line break":         {decode{"abc\ndef"}, "EncodedMessage is"},
		"key: nothing":                {info{}, "AccessKeyID is missing"},
		"key: short":                  {info{"AKIAIOSFODNN7EX"}, "of 15 characters, and 16 to 128 are allowed"},
		"key: odd":                    {info{"AKIAIOSFODNN7EX-MPLE"}, "and only letters, digits and _ are allowed"},
		"trade: nothing":              {trade{}, "TradeInToken is missing"},
		"trade: line break":           {trade{secret("a\nb")}, "TradeInToken is a secret, with control characters"},
		"trade: long":                 {trade{secret(n("x", 1<<20))}, ""},
		"federation: nothing":         {fed{}, "Name is missing"},
		"federation: short name":      {fed{Name: "B"}, `Name is "B" of 1 characters, and 2 to 32 are allowed`},
		"federation: longest name":    {fed{Name: n("B", 32)}, ""},
		"federation: long name":       {fed{Name: n("B", 33)}, "of 33 characters"},
		"federation: odd name":        {fed{Name: "Bob Smith"}, "Name is"},
		"federation: long policy":     {with(federation, func(in *fed) { in.Policy = policy + " " }), "of 2049 characters"},
		"federation: longest":         {with(federation, func(in *fed) { in.Duration = 36 * time.Hour }), ""},
		"federation: long duration":   {with(federation, func(in *fed) { in.Duration = 36*time.Hour + time.Second }), "Duration is 36h0m1s, and 15m0s to 36h0m0s are allowed"},
		"federation: 51 tags":         {with(federation, func(in *fed) { in.Tags = tags(51) }), "Tags has 51 members"},
		"federation: duplicate tags":  {with(federation, func(in *fed) { in.Tags = []stsquery.Tag{{Key: "Department"}, {Key: "department"}} }), "which is the same as Tags[0].Key"},
		"federation: reserved tag":    {with(federation, func(in *fed) { in.Tags = []stsquery.Tag{{Key: "aws:x"}} }), `Tags[0].Key is "aws:x", and must not begin with aws:`},
		"federation: reserved value":  {with(federation, func(in *fed) { in.Tags = []stsquery.Tag{{Key: "x", Value: "aws:"}} }), `Tags[0].Value is "aws:", and must not begin with aws:`},
		"federation: not reserved":    {with(federation, func(in *fed) { in.Tags = []stsquery.Tag{{Key: "aws", Value: "x aws:"}} }), ""},
		"JWT: nothing":                {jwt{}, "Audience is missing; SigningAlgorithm is missing"},
		"JWT: empty audience":         {with(jwtInput, func(in *jwt) { in.Audience = []string{"a", ""} }), "Audience[1] is missing"},
		"JWT: 10 audiences":           {with(jwtInput, func(in *jwt) { in.Audience = strings.Fields(n("a ", 10)) }), ""},
		"JWT: 11 audiences":           {with(jwtInput, func(in *jwt) { in.Audience = strings.Fields(n("a ", 11)) }), "Audience has 11 members, and at most 10 are allowed"},
		"JWT: long audience":          {with(jwtInput, func(in *jwt) { in.Audience = []string{n("a", 1001)} }), "of 1001 characters, and 1 to 1000 are allowed"},
		"JWT: algorithm":              {with(jwtInput, func(in *jwt) { in.SigningAlgorithm = "none" }), `SigningAlgorithm is "none", and RS256 and ES384 are allowed`},
		"JWT: short duration":         {with(jwtInput, func(in *jwt) { in.Duration = 59 * time.Second }), "Duration is 59s, and 1m0s to 1h0m0s are allowed"},
		"JWT: shortest duration":      {with(jwtInput, func(in *jwt) { in.Duration = time.Minute }), ""},
		"JWT: long duration":          {with(jwtInput, func(in *jwt) { in.Duration = time.Hour + time.Second }), "Duration is 1h0m1s"},
		"JWT: tag with 129 runes":     {with(jwtInput, func(in *jwt) { in.Tags = []stsquery.Tag{{Key: n("k", 129)}} }), "Tags[0].Key is"},
		"session: 36 h":               {stsquery.GetSessionTokenInput{Duration: 36 * time.Hour}, ""},
		"session: long":               {stsquery.GetSessionTokenInput{Duration: 36*time.Hour + time.Second}, "Duration is 36h0m1s"},
		"policy with C1 controls":     {with(samlInput, func(in *saml) { in.Policy = "\"\u007f\u0085\u009f\"" }), ""},
		"role policy, which is long":  {with(roleInput, func(in *stsquery.AssumeRoleInput) { in.Policy = policy + " " }), ""},
		"role with reserved tag":      {with(roleInput, func(in *stsquery.AssumeRoleInput) { in.Tags = []stsquery.Tag{{Key: "aws:x"}} }), "must not begin with aws:"},
		"role with odd transitive":    {with(roleInput, func(in *stsquery.AssumeRoleInput) { in.TransitiveTagKeys = []string{"a;b"} }), "TransitiveTagKeys[0] is"},
		"role with reserved identity": {with(roleInput, func(in *stsquery.AssumeRoleInput) { in.SourceIdentity = "aws:x" }), "must not begin with aws:"},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := scripted(step{status: 400})
			_, err := call(t.Context(), c, test.in)
			if test.want == "" {
				require.Len(t, s.bodies, 1)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.Empty(t, s.bodies, "nothing was sent")
			require.Less(t, len(err.Error()), 1000)
			canary.Check(t, assertion, err)
			canary.Check(t, mfaCode, err)
			if _, err = c.Presign(t.Context(), stsquery.PresignInput{Input: test.in}); !strings.Contains(err.Error(), "not signed") {
				require.ErrorContains(t, err, test.want)
			}

			// Other servers get it, unless no server can accept it.
			c, s = scripted(step{status: 400})
			c.Endpoint = "https://sts.example.com"
			_, err = call(t.Context(), c, test.in)
			nowhere := strings.Contains(test.want, "control characters") || strings.Contains(test.want, "negative") || strings.Contains(test.want, "whole seconds") ||
				strings.Contains(test.want, "Token are") || strings.Contains(test.want, "SessionTokenSize is -1") || strings.Contains(test.want, "SAMLAssertion is missing") || name == "message: line break"
			require.Error(t, err)
			require.Equal(t, nowhere, len(s.bodies) == 0)
		})
	}
}

// proper is a valid input with one change.
func proper(change func(*stsquery.AssumeRoleInput)) stsquery.AssumeRoleInput {
	in := stsquery.AssumeRoleInput{RoleARN: "arn:aws:iam::123456789012:role/r", RoleSessionName: "ab"}
	change(&in)
	return in
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
