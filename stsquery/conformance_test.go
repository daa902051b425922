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
	"github.com/stschain-go/stschain/internal/conformance"
	"github.com/stschain-go/stschain/stsquery"
)

func TestConformance(t *testing.T) {
	dir := conformance.Dir(t)
	t.Run("requests", func(t *testing.T) { testRequests(t, filepath.Join(dir, "requests")) })
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
	"GetCallerIdentity": stsquery.GetCallerIdentityInput{},
	"GetSessionToken": stsquery.GetSessionTokenInput{
		Duration:                time.Second,
		SerialNumber:            "__SerialNumber__",
		TokenCode:               stschain.NewSecret("__TokenCode__"),
		MinimumSessionTokenSize: 1,
	},
}

// testRequests compares what is sent with a snapshot: method, path, content
// type, and the form decoded.
func testRequests(t *testing.T, dir string) {
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
			require.Error(t, call(t.Context(), c, in))
			require.Equal(t, parts[0], got.Method+" "+got.URL.Path)
			require.Equal(t, parts[1], "Content-Type: "+got.Header.Get("Content-Type"))
			form, err := url.ParseQuery(s.bodies[0])
			require.NoError(t, err)
			require.Equal(t, want, form)
		})
	}
}

func call(ctx context.Context, c *stsquery.Client, in stsquery.Input) error {
	var err error
	switch in := in.(type) {
	case stsquery.AssumeRoleInput:
		_, err = c.AssumeRole(ctx, in)
	case stsquery.GetCallerIdentityInput:
		_, err = c.GetCallerIdentity(ctx, in)
	case stsquery.GetSessionTokenInput:
		_, err = c.GetSessionToken(ctx, in)
	}
	return err
}

// recorded says what a recorded answer decodes to: a code, or the value that
// matters most.
var recorded = map[string]struct {
	code string
	want any
}{
	"minio/AssumeRole.ok":                          {want: session("5Z4P7RE6ZKR5I8QUHSRR", "2026-11-21T17:56:58Z", "")},
	"minio/AssumeRole.badkey":                      {code: "AccessDenied"},
	"minio/AssumeRole.badsig":                      {code: "AccessDenied"},
	"minio/AssumeRole.badduration":                 {code: "InvalidParameterValue"},
	"minio/AssumeRole.unsigned":                    {code: "InvalidParameterValue"},
	"minio/GetCallerIdentity.unsupported":          {code: "InvalidParameterValue"},
	"moto/AssumeRole.ok":                           {want: session("ASIARZPUZDIKB2X75B24", "2026-11-21T17:56:58.981264Z", "arn:aws:sts::123456789012:assumed-role/r1/sess")},
	"moto/auth.AssumeRole.denied":                  {code: "SignatureDoesNotMatch"},
	"moto/GetSessionToken.ok":                      {want: session("AKIAIOSFODNN7EXAMPLE", "2026-11-22T05:41:59.003474Z", "")},
	"moto/GetCallerIdentity.ok":                    {want: "arn:aws:sts::123456789012:user/moto"},
	"moto/auth.GetCallerIdentity.ok":               {want: "arn:aws:iam::123456789012:user/alice"},
	"moto/auth.GetCallerIdentity.badsig":           {code: "SignatureDoesNotMatch"},
	"moto/auth.GetCallerIdentity.badkey":           {code: "InvalidClientTokenId"},
	"versitygw/GetCallerIdentity.ok":               {want: "arn:aws:iam::000000000000:root"},
	"versitygw/GetCallerIdentity.badkey":           {code: "InvalidClientTokenId"},
	"versitygw/GetCallerIdentity.badsig":           {code: "SignatureDoesNotMatch"},
	"versitygw/GetCallerIdentity.expired":          {code: "SignatureDoesNotMatch"},
	"versitygw/GetCallerIdentity.unsigned":         {code: "MissingAuthenticationToken"},
	"versitygw/GetCallerIdentity.badversion":       {code: "InvalidAction"},
	"versitygw/GetCallerIdentity.badscope-region":  {code: "SignatureDoesNotMatch"},
	"versitygw/GetCallerIdentity.badscope-service": {code: "SignatureDoesNotMatch"},
}

type sessionOf struct {
	id, arn string
	expires time.Time
}

func session(id, expires, arn string) sessionOf {
	at, err := time.Parse(time.RFC3339Nano, expires)
	if err != nil {
		panic(err)
	}
	return sessionOf{id, arn, at}
}

// testResponses plays recorded answers of real servers. Files of operations that
// are not there yet are left out.
func testResponses(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.http"))
	require.NoError(t, err)
	played := 0
	for _, file := range files {
		rel, err := filepath.Rel(dir, file)
		require.NoError(t, err)
		name := strings.TrimSuffix(filepath.ToSlash(rel), ".http")
		operation := strings.Split(strings.TrimPrefix(filepath.Base(name), "auth."), ".")[0]
		in, ours := everyMember[operation]
		if !ours {
			continue
		}
		played++
		t.Run(name, func(t *testing.T) {
			want, ok := recorded[name]
			require.True(t, ok, "what this answer means is not said")
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			c := &stsquery.Client{
				Credentials: stschain.Static("AKIDEXAMPLE", secretKey, ""), Region: "us-east-1", Endpoint: "https://sts.example.com",
				HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					return http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), r)
				})},
			}
			var got any
			switch in := in.(type) {
			case stsquery.AssumeRoleInput:
				var out *stsquery.AssumeRoleOutput
				if out, err = c.AssumeRole(t.Context(), in); err == nil {
					got = sessionOf{out.Credentials.AccessKeyID, out.AssumedRoleUser.ARN, out.Credentials.Expires}
					require.NotEmpty(t, out.RequestID)
				}
			case stsquery.GetSessionTokenInput:
				var out *stsquery.GetSessionTokenOutput
				if out, err = c.GetSessionToken(t.Context(), in); err == nil {
					got = sessionOf{out.Credentials.AccessKeyID, "", out.Credentials.Expires}
					require.NotEmpty(t, out.RequestID)
				}
			case stsquery.GetCallerIdentityInput:
				var out *stsquery.GetCallerIdentityOutput
				if out, err = c.GetCallerIdentity(t.Context(), in); err == nil {
					got = out.ARN
					require.NotEmpty(t, out.RequestID)
					require.Len(t, out.Account, 12)
				}
			}
			if want.code == "" {
				require.NoError(t, err)
				require.Equal(t, want.want, got)
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
	require.Equal(t, len(recorded), played)
}
