package stsquery_test

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/stsquery"
)

// Peers: aws-sdk-go-v2#1575 (users.md 4.51).
func TestConformance(t *testing.T) {
	dir := conformance.Dir(t)
	t.Run("requests", func(t *testing.T) { testRequests(t, filepath.Join(dir, "requests")) })
	t.Run("endpoints", func(t *testing.T) { testEndpoints(t, filepath.Join(dir, "endpoints")) })
	t.Run("clock-skew", func(t *testing.T) { testClockSkew(t, filepath.Join(dir, "clock-skew")) })
	t.Run("examples", func(t *testing.T) { testExamples(t, filepath.Join(dir, "requests")) })
	t.Run("responses", func(t *testing.T) { testResponses(t, filepath.Join(dir, "responses")) })
}

// everyMember is one request of each operation with every member set, as the
// snapshots have them.
var everyMember = map[string]stsquery.Input{
	"AssumeRole": stsquery.AssumeRoleInput{
		RoleARN:           "__RoleArn__",
		RoleSessionName:   "__RoleSessionName__",
		Duration:          time.Second,
		Policy:            "__Policy__",
		PolicyARNs:        []string{"__Arn__", "__Arn__"},
		Tags:              []stsquery.Tag{{Key: "__Key__", Value: "__Value__"}, {Key: "__Key__", Value: "__Value__"}},
		TransitiveTagKeys: []string{"__Member__", "__Member__"},
		ExternalID:        "__ExternalId__",
		SourceIdentity:    "__SourceIdentity__",
		SerialNumber:      "__SerialNumber__",
		TokenCode:         stschain.NewSecret("__TokenCode__"),
		ProvidedContexts: []stsquery.ProvidedContext{
			{ProviderARN: "__ProviderArn__", Assertion: stschain.NewSecret("__ContextAssertion__")},
			{ProviderARN: "__ProviderArn__", Assertion: stschain.NewSecret("__ContextAssertion__")},
		},
		MinimumSessionTokenSize: 1,
	},
	"AssumeRoleWithSAML": stsquery.AssumeRoleWithSAMLInput{
		RoleARN:                 "__RoleArn__",
		PrincipalARN:            "__PrincipalArn__",
		SAMLAssertion:           stschain.NewSecret("__SAMLAssertion__"),
		Policy:                  "__Policy__",
		PolicyARNs:              []string{"__Arn__", "__Arn__"},
		Duration:                time.Second,
		MinimumSessionTokenSize: 1,
	},
	"AssumeRoleWithWebIdentity": stsquery.AssumeRoleWithWebIdentityInput{
		RoleARN:                 "__RoleArn__",
		RoleSessionName:         "__RoleSessionName__",
		WebIdentityToken:        stschain.NewSecret("__WebIdentityToken__"),
		ProviderID:              "__ProviderId__",
		Policy:                  "__Policy__",
		PolicyARNs:              []string{"__Arn__", "__Arn__"},
		Duration:                time.Second,
		MinimumSessionTokenSize: 1,
	},
	"AssumeRoot": stsquery.AssumeRootInput{
		TargetPrincipal:         "__TargetPrincipal__",
		TaskPolicyARN:           "__Arn__",
		Duration:                time.Second,
		MinimumSessionTokenSize: 1,
	},
	"DecodeAuthorizationMessage": stsquery.DecodeAuthorizationMessageInput{EncodedMessage: "__EncodedMessage__"},
	"GetAccessKeyInfo":           stsquery.GetAccessKeyInfoInput{AccessKeyID: "__AccessKeyId__"},
	"GetCallerIdentity":          stsquery.GetCallerIdentityInput{},
	"GetDelegatedAccessToken":    stsquery.GetDelegatedAccessTokenInput{TradeInToken: stschain.NewSecret("__TradeInToken__")},
	"GetFederationToken": stsquery.GetFederationTokenInput{
		Name:                    "__Name__",
		Policy:                  "__Policy__",
		PolicyARNs:              []string{"__Arn__", "__Arn__"},
		Duration:                time.Second,
		Tags:                    []stsquery.Tag{{Key: "__Key__", Value: "__Value__"}, {Key: "__Key__", Value: "__Value__"}},
		MinimumSessionTokenSize: 1,
	},
	"GetSessionToken": stsquery.GetSessionTokenInput{
		Duration:                time.Second,
		SerialNumber:            "__SerialNumber__",
		TokenCode:               stschain.NewSecret("__TokenCode__"),
		MinimumSessionTokenSize: 1,
	},
	"GetWebIdentityToken": stsquery.GetWebIdentityTokenInput{
		Audience:         []string{"__Member__", "__Member__"},
		SigningAlgorithm: "__SigningAlgorithm__",
		Duration:         time.Second,
		Tags:             []stsquery.Tag{{Key: "__Key__", Value: "__Value__"}, {Key: "__Key__", Value: "__Value__"}},
	},
}

// testRequests compares what is sent with a snapshot: method, path, content
// type, and the form decoded.
func testRequests(t *testing.T, dir string) {
	snaps, err := filepath.Glob(filepath.Join(dir, "*.request.snap"))
	require.NoError(t, err)
	require.Len(t, everyMember, len(snaps))
	for operation, in := range everyMember {
		t.Run(operation, func(t *testing.T) {
			snap, err := os.ReadFile(filepath.Join(dir, operation+".request.snap"))
			require.NoError(t, err)
			parts := strings.SplitN(string(snap), "\n\n", 3)
			require.Len(t, parts, 3)
			want, err := url.ParseQuery(strings.TrimSpace(parts[2]))
			require.NoError(t, err)

			var got *http.Request
			c, s := scripted(step{status: 400})
			transport := c.HTTPClient.Transport
			c.Endpoint = "https://sts.example.com" // AWS's limits do not hold there
			c.HTTPClient.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				got = r
				return transport.RoundTrip(r)
			})
			_, err = call(t.Context(), c, in)
			require.Error(t, err)
			require.Equal(t, parts[0], got.Method+" "+got.URL.Path)
			require.Equal(t, parts[1], "Content-Type: "+got.Header.Get("Content-Type"))
			form, err := url.ParseQuery(s.bodies[0])
			require.NoError(t, err)
			require.Equal(t, want, form)
		})
	}
}

func call(ctx context.Context, c *stsquery.Client, in stsquery.Input) (out any, err error) {
	switch in := in.(type) {
	case stsquery.AssumeRoleInput:
		return c.AssumeRole(ctx, in)
	case stsquery.AssumeRoleWithSAMLInput:
		return c.AssumeRoleWithSAML(ctx, in)
	case stsquery.AssumeRoleWithWebIdentityInput:
		return c.AssumeRoleWithWebIdentity(ctx, in)
	case stsquery.AssumeRootInput:
		return c.AssumeRoot(ctx, in)
	case stsquery.DecodeAuthorizationMessageInput:
		return c.DecodeAuthorizationMessage(ctx, in)
	case stsquery.GetAccessKeyInfoInput:
		return c.GetAccessKeyInfo(ctx, in)
	case stsquery.GetCallerIdentityInput:
		return c.GetCallerIdentity(ctx)
	case stsquery.GetDelegatedAccessTokenInput:
		return c.GetDelegatedAccessToken(ctx, in)
	case stsquery.GetFederationTokenInput:
		return c.GetFederationToken(ctx, in)
	case stsquery.GetSessionTokenInput:
		return c.GetSessionToken(ctx, in)
	case stsquery.GetWebIdentityTokenInput:
		return c.GetWebIdentityToken(ctx, in)
	case stsquery.CertificateInput:
		creds, id, err := c.CallWithCertificate(ctx)
		return &stsquery.GetSessionTokenOutput{Credentials: creds, RequestID: id}, err
	}
	panic("no such operation")
}

// recorded says what a recorded answer decodes to: a code, or the value that
// matters most.
var recorded = map[string]struct {
	code string
	want any
}{
	"minio/AssumeRole.ok":                            {want: session("5Z4P7RE6ZKR5I8QUHSRR", "2026-11-21T17:56:58Z", "")},
	"minio/AssumeRole.badkey":                        {code: "AccessDenied"},
	"minio/AssumeRole.badsig":                        {code: "AccessDenied"},
	"minio/AssumeRole.badduration":                   {code: "InvalidParameterValue"},
	"minio/AssumeRole.unsigned":                      {code: "InvalidParameterValue"},
	"minio/GetCallerIdentity.unsupported":            {code: "InvalidParameterValue"},
	"minio/AssumeRoleWithCertificate.ok":             {want: session("WQ59I6DB2AM1RTI79KAH", "2026-11-21T18:41:58Z", "")},
	"minio/AssumeRoleWithCertificate.nocert":         {code: "MissingParameter"},
	"minio/AssumeRoleWithWebIdentity.ok":             {want: session("VNGGWXWZSW59WTXEQ6KM", "2026-11-21T17:56:58Z", "CiQwOGE4Njg0Yi1kYjg4LTRiNzMtOTBhOS0zY2QxNjYxZjU0NjYSBWxvY2Fs")},
	"minio/AssumeRoleWithWebIdentity.badtoken":       {code: "InvalidParameterValue"},
	"moto/AssumeRoleWithSAML.ok":                     {want: session("ASIARZPUZDIKPNKI4PFS", "2026-11-21T18:11:59.359954Z", "arn:aws:sts::123456789012:assumed-role/r1/alice@example.com", "AROA3X42LBCDSQ0BC2TVW:alice@example.com", "persistent", "http://localhost:3000/", "https://signin.aws.amazon.com/saml", "B64EncodedStringOfHashOfIssuerAccountIdAndUserId=")},
	"moto/AssumeRoleWithWebIdentity.ok":              {want: session("ASIARZPUZDIKEQFFZILD", "2026-11-21T18:41:59.074138Z", "arn:aws:sts::123456789012:assumed-role/r1/sess")},
	"moto/GetAccessKeyInfo.ok":                       {want: "123456789012"},
	"moto/GetFederationToken.ok":                     {want: session("AKIAIOSFODNN7EXAMPLE", "2026-11-22T05:41:59.019514Z", "arn:aws:sts::123456789012:federated-user/bob", "123456789012:bob")},
	"versitygw/AssumeRoleWithWebIdentity.badtoken":   {code: "InvalidIdentityToken"},
	"versitygw/AssumeRoleWithWebIdentity.validation": {code: "ValidationError"},
	"moto/AssumeRole.ok":                             {want: session("ASIARZPUZDIKB2X75B24", "2026-11-21T17:56:58.981264Z", "arn:aws:sts::123456789012:assumed-role/r1/sess")},
	"moto/auth.AssumeRole.denied":                    {code: "SignatureDoesNotMatch"},
	"moto/GetSessionToken.ok":                        {want: session("AKIAIOSFODNN7EXAMPLE", "2026-11-22T05:41:59.003474Z", "")},
	"moto/GetCallerIdentity.ok":                      {want: "arn:aws:sts::123456789012:user/moto"},
	"moto/auth.GetCallerIdentity.ok":                 {want: "arn:aws:iam::123456789012:user/alice"},
	"moto/auth.GetCallerIdentity.badsig":             {code: "SignatureDoesNotMatch"},
	"moto/auth.GetCallerIdentity.badkey":             {code: "InvalidClientTokenId"},
	"versitygw/GetCallerIdentity.ok":                 {want: "arn:aws:iam::000000000000:root"},
	"versitygw/GetCallerIdentity.badkey":             {code: "InvalidClientTokenId"},
	"versitygw/GetCallerIdentity.badsig":             {code: "SignatureDoesNotMatch"},
	"versitygw/GetCallerIdentity.expired":            {code: "SignatureDoesNotMatch"},
	"versitygw/GetCallerIdentity.unsigned":           {code: "MissingAuthenticationToken"},
	"versitygw/GetCallerIdentity.badversion":         {code: "InvalidAction"},
	"versitygw/GetCallerIdentity.badscope-region":    {code: "SignatureDoesNotMatch"},
	"versitygw/GetCallerIdentity.badscope-service":   {code: "SignatureDoesNotMatch"},
}

// sessionOf is a session: who it is, and what else the answer tells.
type sessionOf struct {
	id      string
	expires time.Time
	who     string
}

func session(id, expires string, who ...string) sessionOf {
	at, err := time.Parse(time.RFC3339Nano, expires)
	if err != nil {
		panic(err)
	}
	return sessionOf{id, at, strings.Join(who, " ")}
}

// said is what of an output recorded has.
func said(out any) (value any, requestID string) {
	of := func(c stschain.Credentials, who ...string) sessionOf {
		return sessionOf{c.AccessKeyID, c.Expires, strings.TrimSpace(strings.Join(who, " "))}
	}
	switch out := out.(type) {
	case *stsquery.AssumeRoleOutput:
		return of(out.Credentials, out.AssumedRoleUser.ARN), out.RequestID
	case *stsquery.AssumeRoleWithSAMLOutput:
		return of(out.Credentials, out.AssumedRoleUser.ARN, out.Subject, out.SubjectType, out.Issuer, out.Audience, out.NameQualifier), out.RequestID
	case *stsquery.AssumeRoleWithWebIdentityOutput:
		return of(out.Credentials, out.AssumedRoleUser.ARN, out.SubjectFromWebIdentityToken), out.RequestID
	case *stsquery.GetAccessKeyInfoOutput:
		return out.Account, out.RequestID
	case *stsquery.GetCallerIdentityOutput:
		return out.ARN, out.RequestID
	case *stsquery.GetFederationTokenOutput:
		return of(out.Credentials, out.FederatedUser.ARN, out.FederatedUser.FederatedUserID), out.RequestID
	case *stsquery.GetSessionTokenOutput:
		return of(out.Credentials), out.RequestID
	}
	return out, ""
}

// testResponses plays recorded answers of real servers.
func testResponses(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.http"))
	require.NoError(t, err)
	require.Len(t, recorded, len(files))
	for _, file := range files {
		rel, err := filepath.Rel(dir, file)
		require.NoError(t, err)
		name := strings.TrimSuffix(filepath.ToSlash(rel), ".http")
		t.Run(name, func(t *testing.T) {
			want, ok := recorded[name]
			require.True(t, ok, "what this answer means is not said")
			operation := strings.Split(strings.TrimPrefix(filepath.Base(name), "auth."), ".")[0]
			in, ok := everyMember[operation]
			if operation == "AssumeRoleWithCertificate" {
				in, ok = stsquery.CertificateInput{}, true
			}
			require.True(t, ok, "the answer is to no operation that we have")
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			c := &stsquery.Client{
				Credentials: stschain.Static("AKIDEXAMPLE", secretKey, ""), Region: "us-east-1", Endpoint: "https://sts.example.com",
				HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					return http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), r)
				})},
				Retry:                      stsquery.Retry{MaxAttempts: 1},
				DisableClockSkewCorrection: true, // the answers are old
			}
			out, err := call(t.Context(), c, in)
			if want.code == "" {
				require.NoError(t, err)
				got, requestID := said(out)
				require.Equal(t, want.want, got)
				require.NotEmpty(t, requestID)
				return
			}
			var e *stsquery.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, want.code, e.Code)
			require.NotEmpty(t, e.Message)
			require.NotEmpty(t, e.RequestID)
			require.GreaterOrEqual(t, e.StatusCode, 400)
		})
	}
}
