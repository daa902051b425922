package stsquery_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/stsquery"
)

func TestErrorText(t *testing.T) {
	for _, test := range []struct {
		err  stsquery.Error
		want string
	}{
		{stsquery.Error{}, "stsquery: "},
		{stsquery.Error{Operation: "GetCallerIdentity", Err: errors.New("why")}, "stsquery: GetCallerIdentity: why"},
		{stsquery.Error{Operation: "AssumeRole", Endpoint: "h:1", Err: errors.New("why")}, "stsquery: AssumeRole: why"},
		{stsquery.Error{Operation: "AssumeRole", Endpoint: "h:1", Attempts: 3, Err: errors.New("why")}, "stsquery: AssumeRole at h:1: why (3 attempts)"},
		{stsquery.Error{Operation: "AssumeRole", Endpoint: "h", Attempts: 1, StatusCode: 403, Code: "AccessDenied", Message: "no", RequestID: "r"},
			"stsquery: AssumeRole at h: 403 Forbidden: AccessDenied: no (request r); the role's trust policy must admit the caller with the external ID, tags and MFA as sent, and the caller needs sts:AssumeRole on the role"},
		{stsquery.Error{Operation: "AssumeRole", Endpoint: "h", Attempts: 1, StatusCode: 403, Code: "AccessDenied", Message: "MultiFactorAuthentication failed with invalid MFA one time pass code."},
			"stsquery: AssumeRole at h: 403 Forbidden: AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code.; check the MFA device's serial number and its code, which works once"},
		{stsquery.Error{Operation: "GetSessionToken", Endpoint: "h", Attempts: 2, StatusCode: 599, Code: "Odd"}, "stsquery: GetSessionToken at h: 599: Odd (2 attempts)"},
	} {
		require.Equal(t, test.want, test.err.Error())
	}
}

// The errors of frequent refusals end in what to do.
func TestHints(t *testing.T) {
	for _, test := range []struct{ operation, code, message, want string }{
		{"AssumeRole", "ExpiredToken", "", "credentials that signed the request are no longer valid"},
		{"AssumeRole", "InvalidToken", "", "no longer valid"},
		{"AssumeRole", "InvalidClientTokenId", "", "session token"},
		{"AssumeRole", "SignatureDoesNotMatch", "", "clock"},
		{"AssumeRole", "RequestExpired", "", "clock"},
		{"AssumeRole", "RegionDisabledException", "", "activate STS"},
		{"AssumeRole", "PackedPolicyTooLarge", "", "fewer tags"},
		{"AssumeRole", "MalformedPolicyDocument", "", "session policy"},
		{"AssumeRole", "ThrottlingException", "", "share one"},
		{"AssumeRole", "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining", "duration_seconds in the profile, to an hour or less"}, // granted#154
		{"AssumeRole", "NoSuchEntity", "", "the server has no such role"},
		{"GetSessionToken", "MethodNotAllowed", "", "check the endpoint"},
		{"AssumeRole", "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", "shorter Duration"},
		{"AssumeRole", "AccessDenied", "User: x is not authorized to perform: sts:AssumeRole", "trust policy"},
		{"AssumeRole", "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.", "MFA device"},
		{"GetSessionToken", "AccessDenied", "Cannot call GetSessionToken with session credentials", "long-lived keys of an IAM user"},
		{"GetFederationToken", "AccessDenied", "Cannot call GetFederationToken with session credentials", "long-lived keys of an IAM user"},
		{"AssumeRoleWithSAML", "AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML", "SAML provider"},
		{"AssumeRoleWithWebIdentity", "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", "issuer, audience and subject"},
		{"AssumeRoot", "AccessDenied", "", "management account"},
		// MinIO's code for wrong keys. It has no trust policies.
		{"AssumeRole", "AccessDenied", "The request signature we calculated does not match the signature you provided. Check your key and signing method.", "; check the secret access key"},
		{"AssumeRole", "AccessDenied", "The Access Key Id you provided does not exist in our records.", "; the access key does not exist"},
		{"AssumeRoleWithSAML", "ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance", "five minutes after it was issued"},
		{"AssumeRoleWithWebIdentity", "ExpiredTokenException", "Token expired", "web identity token has expired"},
		{"AssumeRoleWithWebIdentity", "IDPRejectedClaim", "", "revoked"},
		{"AssumeRoleWithWebIdentity", "IDPCommunicationErrorException", "", "from the internet"},
		{"AssumeRoleWithWebIdentity", "InvalidIdentityToken", "", "OpenID Connect provider"},
		{"AssumeRoleWithSAML", "InvalidIdentityTokenException", "", "metadata"},
		{"GetDelegatedAccessToken", "ExpiredTradeInTokenException", "", "new trade-in token"},
		{"DecodeAuthorizationMessage", "InvalidAuthorizationMessageException", "", "whole and without line breaks"},
		{"GetWebIdentityToken", "OutboundWebIdentityFederationDisabledException", "", "enable outbound"},
		{"GetWebIdentityToken", "SessionDurationEscalationException", "", "session of the caller"},
		{"GetWebIdentityToken", "JWTPayloadSizeExceededException", "", "fewer or shorter tags"},
	} {
		err := &stsquery.Error{Operation: test.operation, Code: test.code, Message: test.message}
		require.ErrorContains(t, err, test.want)
		require.Contains(t, err.Error(), "; ")
	}
	for _, code := range []string{"AccessDenied", "ValidationError", "Odd", ""} {
		require.NotContains(t, (&stsquery.Error{Operation: "GetCallerIdentity", Code: code}).Error(), ";")
	}
}

// Report: hypershift#9406.
func TestPermanentCodes(t *testing.T) {
	for code, want := range map[string]bool{
		"AccessDenied": true, "AccessDeniedException": true, "IDPRejectedClaim": true, "IDPRejectedClaimException": true,
		"InvalidIdentityToken": true, "InvalidIdentityTokenException": true, "MalformedPolicyDocument": true, "MalformedPolicyDocumentException": true,
		"PackedPolicyTooLarge": true, "PackedPolicyTooLargeException": true, "RegionDisabled": true, "RegionDisabledException": true,
		"NoSuchEntity": true, "NoSuchEntityException": true, "MethodNotAllowed": true, "NotImplemented": true, "InvalidAction": true, // radosgw's and others'
		"NoSuchBucket": false, "MethodNotAllow": false,
		"": false, "Exception": false, "ExpiredToken": false, "ExpiredTokenException": false, "IDPCommunicationError": false, "Throttling": false,
		"InternalFailure": false, "ValidationError": false, "InvalidClientTokenId": false, "SignatureDoesNotMatch": false, "accessdenied": false,
	} {
		err := fmt.Errorf("outer: %w", &stsquery.Error{Code: code})
		require.Equal(t, want, errors.Is(err, stschain.ErrPermanent), code)
		require.False(t, stschain.IsUnavailable(err), "%v", err)
	}
}

// neverReady is a transport that waits for credentials of its own.
type neverReady struct{}

func (neverReady) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, stschain.Unavailable("proxy")
}

// No error of a transport shows a URL or a secret.
func TestTransportErrors(t *testing.T) {
	c, _ := scripted(step{err: stschain.Unavailable("proxy")}, lost)
	c.Retry.MaxAttempts = 1
	_, err := c.AssumeRole(t.Context(), roleInput)
	require.ErrorContains(t, err, "proxy")
	require.False(t, stschain.IsUnavailable(err), "%v", err)

	c, _ = scripted()
	c.Retry.MaxAttempts = 1
	c.AttemptTimeout, c.HTTPClient = time.Millisecond, &http.Client{Transport: neverReady{}}
	_, err = c.AssumeRole(t.Context(), roleInput)
	require.ErrorContains(t, err, "no response within 1ms: context deadline exceeded: proxy")
	require.False(t, stschain.IsUnavailable(err), "nor after a timeout")

	leak := errors.New("could not send " + sessionToken + " signed with " + secretKey)
	nested := &url.Error{Op: "Post", URL: "https://h/?hunter4711", Err: errors.New("broken")}
	for name, err := range map[string]error{
		"leak":    leak,
		"nested":  nested,
		"wrapped": fmt.Errorf("via proxy: %w", nested),
		"timeout": fmt.Errorf("via proxy: %w", &url.Error{Op: "Post", URL: "https://h/?hunter4711", Err: context.DeadlineExceeded}),
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := scripted(step{err: err})
			c.Retry.MaxAttempts = 1
			_, got := c.AssumeRole(t.Context(), roleInput)
			require.Error(t, got)
			noSecret(t, got, "hunter4711")
			if errors.Is(err, context.DeadlineExceeded) {
				require.ErrorIs(t, got, context.DeadlineExceeded)
				require.ErrorContains(t, got, "context deadline exceeded")
			}
		})
	}
}

// No printed form of a client or a presigned request shows a secret. TestEachOperation has the inputs and
// outputs.
func TestCanary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stsquery.Client{Credentials: stschain.Static("AKIDEXAMPLE", secretKey, sessionToken), Region: "us-east-1", HTTPClient: &http.Client{
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) { // stores nothing, unlike a script
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(assumeRoleResponse)), Request: r}, nil
			}),
		}}
		_, err := c.AssumeRole(t.Context(), roleInput)
		require.NoError(t, err)
		in := roleInput
		in.SerialNumber, in.TokenCode = "arn:aws:iam::123456789012:mfa/alice", stschain.NewSecret(mfaCode)
		signed, err := c.Presign(t.Context(), stsquery.PresignInput{Input: in})
		require.NoError(t, err)
		_, signature, _ := strings.Cut(signed.URL.Reveal(), "X-Amz-Signature=")
		synctest.Wait() // for the goroutine of the cache
		for _, secret := range []string{secretKey, sessionToken, assertion, mfaCode, signature} {
			canary.Check(t, secret, c, in, signed, &signed)
		}
	})
}

// A server that repeats a token under some encoding, whole or in part. internal/redact finds it; where a
// text shows it, all of the text is withheld.
func TestEchoedSecrets(t *testing.T) {
	const payload = "eyJzdWIiOiJodW50ZXI0NzExIiwiYXVkIjoic3RzIn0"
	const token = "eyJhbGciOiJSUzI1NiJ9." + payload + ".c2lnbmF0dXJl+/hunter4711=="
	escaped := url.QueryEscape(token)
	for name, echo := range map[string]string{
		"plain":        token,
		"payload":      payload,
		"upper hex":    escaped,
		"lower hex":    strings.NewReplacer("%2B", "%2b", "%2F", "%2f", "%3D", "%3d").Replace(escaped),
		"path":         url.PathEscape(token),
		"twice":        url.QueryEscape(escaped),
		"only + and =": strings.NewReplacer("+", "%2B", "=", "%3D").Replace(token),
		"JSON":         strings.ReplaceAll(token, "/", `\/`),
		"JSON, hex":    strings.ReplaceAll(token, ".", `\u002e`),
		"HTML":         strings.NewReplacer("+", "&#43;", "/", "&#x2f;").Replace(token),
		"base64":       base64.StdEncoding.EncodeToString([]byte(token)),
		"hex":          hex.EncodeToString([]byte(token)),
		"wrapped":      strings.Join(regexp.MustCompile(".{1,8}").FindAllString(token, -1), "\n"),
		"upper case":   strings.ToUpper(token),
	} {
		xmlEcho := strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(echo)
		for _, response := range []step{
			{status: 400, body: stsError("InvalidIdentityToken", "cannot parse "+xmlEcho)},
			{status: 400, body: stsError(xmlEcho, "cannot parse")},
			{status: 400, header: http.Header{"Content-Type": {echo}}, body: "no"},
			{err: errors.New("sent " + echo)},
		} {
			c, _ := scripted(response)
			c.Retry.MaxAttempts = 1
			in := webInput
			in.WebIdentityToken = stschain.NewSecret(token)
			_, err := c.AssumeRoleWithWebIdentity(t.Context(), in)
			require.Regexp(t, "not shown, since it holds|a name of", err.Error(), name)
			require.NotContains(t, err.Error(), echo[:12], name)
		}
	}
}
