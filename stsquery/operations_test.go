package stsquery_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/stsquery"
)

const credentialsXML = `<Credentials><AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>response/SECRET+key</SecretAccessKey>` +
	`<SessionToken>response/SESSION+token==</SessionToken><Expiration>2099-11-21T17:56:58Z</Expiration></Credentials>`

// result is a response of an operation.
func result(operation, inner string) step {
	return step{status: 200, body: "<" + operation + "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" + operation + "Result>" + inner +
		"</" + operation + "Result><ResponseMetadata><RequestId>req-1</RequestId></ResponseMetadata></" + operation + "Response>"}
}

// decoded is what credentialsXML decodes to.
func decoded(operation string) stschain.Credentials {
	return stschain.Credentials{
		AccessKeyID:     "ASIAIOSFODNN7EXAMPLE",
		SecretAccessKey: stschain.NewSecret("response/SECRET+key"),
		SessionToken:    stschain.NewSecret("response/SESSION+token=="),
		Expires:         time.Date(2099, 11, 21, 17, 56, 58, 0, time.UTC),
		Origin:          operation,
	}
}

const (
	sizesXML = "<PackedPolicySize>6</PackedPolicySize><SessionTokenSize>1500</SessionTokenSize><SessionTokenUtilization>36</SessionTokenUtilization>"
	userXML  = "<AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser>"
)

// whole has for each operation a valid input, a response with every field, and what that decodes to.
var whole = map[string]struct {
	in       stsquery.Input
	response string
	out      any
}{
	"AssumeRole": {roleInput, credentialsXML + userXML + sizesXML + "<SourceIdentity>alice</SourceIdentity>", &stsquery.AssumeRoleOutput{
		Credentials: decoded("AssumeRole"), AssumedRoleUser: wholeUser, SourceIdentity: "alice",
		PackedPolicySize: 6, SessionTokenSize: 1500, SessionTokenUtilization: 36, RequestID: "req-1",
	}},
	"AssumeRoleWithSAML": {samlInput, credentialsXML + userXML + sizesXML + "<SourceIdentity>alice</SourceIdentity><Subject>s</Subject><SubjectType>persistent</SubjectType>" +
		"<Issuer>https://idp.example.com</Issuer><Audience>https://signin.aws.amazon.com/saml</Audience><NameQualifier>SbdGOnUkh1i4+E=</NameQualifier>", &stsquery.AssumeRoleWithSAMLOutput{
		Credentials: decoded("AssumeRoleWithSAML"), AssumedRoleUser: wholeUser, SourceIdentity: "alice", Subject: "s", SubjectType: "persistent",
		Issuer: "https://idp.example.com", Audience: "https://signin.aws.amazon.com/saml", NameQualifier: "SbdGOnUkh1i4+E=",
		PackedPolicySize: 6, SessionTokenSize: 1500, SessionTokenUtilization: 36, RequestID: "req-1",
	}},
	"AssumeRoleWithWebIdentity": {webInput, credentialsXML + userXML + sizesXML + "<SourceIdentity>alice</SourceIdentity><SubjectFromWebIdentityToken>subject</SubjectFromWebIdentityToken>" +
		"<Provider>https://oidc.example.com</Provider><Audience>sts.amazonaws.com</Audience>", &stsquery.AssumeRoleWithWebIdentityOutput{
		Credentials: decoded("AssumeRoleWithWebIdentity"), AssumedRoleUser: wholeUser, SourceIdentity: "alice",
		SubjectFromWebIdentityToken: "subject", Provider: "https://oidc.example.com", Audience: "sts.amazonaws.com",
		PackedPolicySize: 6, SessionTokenSize: 1500, SessionTokenUtilization: 36, RequestID: "req-1",
	}},
	"AssumeRoot": {rootInput, credentialsXML + sizesXML + "<SourceIdentity>alice</SourceIdentity>", &stsquery.AssumeRootOutput{
		Credentials: decoded("AssumeRoot"), SourceIdentity: "alice", SessionTokenSize: 1500, SessionTokenUtilization: 36, RequestID: "req-1",
	}},
	"DecodeAuthorizationMessage": {stsquery.DecodeAuthorizationMessageInput{EncodedMessage: "abc"}, "<DecodedMessage>{&quot;allowed&quot;:false}</DecodedMessage>",
		&stsquery.DecodeAuthorizationMessageOutput{DecodedMessage: `{"allowed":false}`, RequestID: "req-1"}},
	"GetAccessKeyInfo": {stsquery.GetAccessKeyInfoInput{AccessKeyID: "AKIAIOSFODNN7EXAMPLE"}, "<Account>123456789012</Account>",
		&stsquery.GetAccessKeyInfoOutput{Account: "123456789012", RequestID: "req-1"}},
	"GetCallerIdentity": {stsquery.GetCallerIdentityInput{}, "<UserId>u</UserId><Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/alice</Arn>",
		&stsquery.GetCallerIdentityOutput{UserID: "u", Account: "123456789012", ARN: "arn:aws:iam::123456789012:user/alice", RequestID: "req-1"}},
	"GetDelegatedAccessToken": {stsquery.GetDelegatedAccessTokenInput{TradeInToken: stschain.NewSecret(assertion)}, credentialsXML + sizesXML +
		"<AssumedPrincipal>arn:aws:iam::123456789012:role/r</AssumedPrincipal>", &stsquery.GetDelegatedAccessTokenOutput{
		Credentials: decoded("GetDelegatedAccessToken"), AssumedPrincipal: "arn:aws:iam::123456789012:role/r",
		PackedPolicySize: 6, SessionTokenSize: 1500, SessionTokenUtilization: 36, RequestID: "req-1",
	}},
	"GetFederationToken": {stsquery.GetFederationTokenInput{Name: "Bob"}, credentialsXML + sizesXML +
		"<FederatedUser><FederatedUserId>123456789012:Bob</FederatedUserId><Arn>arn:aws:sts::123456789012:federated-user/Bob</Arn></FederatedUser>", &stsquery.GetFederationTokenOutput{
		Credentials:      decoded("GetFederationToken"),
		FederatedUser:    stsquery.FederatedUser{ARN: "arn:aws:sts::123456789012:federated-user/Bob", FederatedUserID: "123456789012:Bob"},
		PackedPolicySize: 6, SessionTokenSize: 1500, SessionTokenUtilization: 36, RequestID: "req-1",
	}},
	"GetSessionToken": {stsquery.GetSessionTokenInput{}, credentialsXML + sizesXML, &stsquery.GetSessionTokenOutput{
		Credentials: decoded("GetSessionToken"), SessionTokenSize: 1500, SessionTokenUtilization: 36, RequestID: "req-1",
	}},
	"GetWebIdentityToken": {jwtInput, "<WebIdentityToken>response/SESSION+token==</WebIdentityToken><Expiration>2099-11-21T17:56:58Z</Expiration>", &stsquery.GetWebIdentityTokenOutput{
		WebIdentityToken: stschain.NewSecret("response/SESSION+token=="), Expires: time.Date(2099, 11, 21, 17, 56, 58, 0, time.UTC), RequestID: "req-1",
	}},
}

var (
	wholeUser = stsquery.AssumedRoleUser{ARN: "arn:aws:sts::123456789012:assumed-role/r/s", AssumedRoleID: "AROA:s"}
	samlInput = stsquery.AssumeRoleWithSAMLInput{
		RoleARN:       "arn:aws:iam::123456789012:role/r",
		PrincipalARN:  "arn:aws:iam::123456789012:saml-provider/idp",
		SAMLAssertion: stschain.NewSecret(assertion),
	}
	webInput = stsquery.AssumeRoleWithWebIdentityInput{
		RoleARN:          "arn:aws:iam::123456789012:role/r",
		RoleSessionName:  "session",
		WebIdentityToken: stschain.NewSecret(assertion),
	}
	rootInput = stsquery.AssumeRootInput{
		TargetPrincipal: "123456789012",
		TaskPolicyARN:   "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy",
	}
	jwtInput = stsquery.GetWebIdentityTokenInput{Audience: []string{"https://api.example.com"}, SigningAlgorithm: "ES384"}
)

var unsigned = map[string]bool{"AssumeRoleWithSAML": true, "AssumeRoleWithWebIdentity": true}

// Each operation passes AWS's limits with a valid input, is signed if it has
// to be, decodes everything, and shows none of its secrets.
func TestEachOperation(t *testing.T) { synctest.Test(t, testEachOperation) }

func testEachOperation(t *testing.T) {
	require.Len(t, whole, len(stsquery.Outputs()))
	for operation, test := range whole {
		c, s := scripted(down, result(operation, test.response))
		got, err := call(t.Context(), c, test.in)
		require.NoError(t, err)
		require.Equal(t, test.out, got)
		require.Len(t, s.bodies, 2, "503 is retried")
		require.True(t, strings.HasPrefix(s.bodies[1], "Action="+operation+"&"))
		require.Equal(t, unsigned[operation], s.auth[1] == "")
		for _, secret := range []string{assertion, "response/SECRET+key", "response/SESSION+token=="} {
			canary.Check(t, secret, test.in, &test.in, got)
		}

		signed, err := c.Presign(t.Context(), stsquery.PresignInput{Input: test.in})
		if unsigned[operation] {
			require.ErrorContains(t, err, "not signed")
		} else {
			require.NoError(t, err)
			require.Contains(t, signed.URL.Reveal(), "Action="+operation+"&")
		}

		// Nothing of it is a result, nor is half of it one.
		for _, inner := range []string{"", "<Credentials/>", "<Credentials><AccessKeyId>x</AccessKeyId></Credentials>", "<Expiration>2099-11-21T17:56:58Z</Expiration>", "<WebIdentityToken>x</WebIdentityToken>"} {
			c, _ := scripted(result(operation, inner))
			_, err := call(t.Context(), c, test.in)
			require.Error(t, err, "%s: %q", operation, inner)
		}
		// A secret that is echoed stays one.
		c, _ = scripted(step{status: 400, body: stsError("ValidationError", "1 validation error: "+assertion)})
		_, err = call(t.Context(), c, test.in)
		require.ErrorContains(t, err, "ValidationError")
		if strings.Contains(s.bodies[0], "hunter4711") {
			require.ErrorContains(t, err, redact.Withheld)
			noSecret(t, err)
		}
	}
}

// The operations that are not signed never look at the client's credentials, and
// are not presigned.
func TestUnsignedOperations(t *testing.T) {
	for operation := range unsigned {
		test := whole[operation]
		// ExpiredToken would invalidate credentials of a signed operation.
		for _, failure := range []step{down, fault(400, "IDPCommunicationError"), lost, slowDown, fault(403, "ExpiredToken"), fault(400, "InvalidToken"), denied} {
			synctest.Test(t, func(t *testing.T) {
				c, s := scripted(failure, result(operation, test.response))
				c.Credentials = touchy{t}
				c.Region, c.Endpoint = "", "https://sts.example.com"
				call(t.Context(), c, test.in)
				require.NotEmpty(t, s.bodies)
				require.Empty(t, strings.Join(s.auth, ""))
				_, err := c.Presign(t.Context(), stsquery.PresignInput{Input: test.in})
				require.ErrorContains(t, err, "not signed")
			})
		}
		c, _ := scripted(result(operation, test.response))
		c.Credentials = nil
		_, err := call(t.Context(), c, test.in)
		require.NoError(t, err)
	}
}

// The global endpoint lacks two operations, whichever setting selects it.
func TestRegionalOperations(t *testing.T) {
	for operation, in := range map[string]stsquery.Input{"AssumeRoot": rootInput, "GetWebIdentityToken": jwtInput} {
		for name, set := range map[string]func(*stsquery.Client){
			"region":   func(c *stsquery.Client) { c.Region = "aws-global" },
			"global":   func(c *stsquery.Client) { c.Region, c.Global = "us-east-1", true },
			"endpoint": func(c *stsquery.Client) { c.Endpoint = "https://sts.amazonaws.com" },
		} {
			c, s := scripted(result(operation, whole[operation].response))
			set(c)
			_, err := call(t.Context(), c, in)
			require.ErrorContains(t, err, "only regional endpoints have this operation", name)
			require.ErrorIs(t, err, stschain.ErrPermanent)
			require.Empty(t, s.bodies)
			_, err = c.Presign(t.Context(), stsquery.PresignInput{Input: in})
			require.ErrorContains(t, err, "only regional endpoints")
		}
		c, _ := scripted(result(operation, whole[operation].response))
		_, err := call(t.Context(), c, in)
		require.NoError(t, err)
	}
}

// Base64 with line breaks is one assertion, and none of it gets out.
func TestAssertionWithLineBreaks(t *testing.T) {
	in := samlInput
	in.SAMLAssertion = stschain.NewSecret("aHVudGVy\r\nNDcxMQ==\n")
	c, s := scripted(step{status: 400, body: stsError("ValidationError", "aHVudGVyNDcxMQ==")})
	_, err := c.AssumeRoleWithSAML(t.Context(), in)
	require.Contains(t, s.bodies[0], "&SAMLAssertion=aHVudGVyNDcxMQ%3D%3D")
	require.ErrorContains(t, err, redact.Withheld)
}

// URLs are logged by proxies and part of every *url.Error. So tokens, assertions and codes are sent in the
// body.
// Reports: VictoriaMetrics' lib/awsapi, minio-go's CustomToken.
func TestNothingGoesIntoTheURL(t *testing.T) {
	inputs := map[string]stsquery.Input{}
	for operation, test := range whole {
		inputs[operation] = test.in
	}
	withCode := roleInput
	withCode.SerialNumber, withCode.TokenCode = "arn:aws:iam::123456789012:mfa/alice", stschain.NewSecret(mfaCode)
	inputs["AssumeRole with a code"] = withCode
	for operation, in := range inputs {
		t.Run(operation, func(t *testing.T) {
			var sent []*http.Request
			var body string
			c, _ := scripted()
			c.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				read, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				sent, body = append(sent, r), string(read)
				return nil, &url.Error{Op: "Post", URL: r.URL.String() + "?" + body, Err: io.ErrClosedPipe}
			})}
			c.Retry.MaxAttempts = 1
			_, err := call(t.Context(), c, in)
			require.Error(t, err)
			require.Len(t, sent, 1)
			require.Equal(t, http.MethodPost, sent[0].Method)
			require.Equal(t, "https://sts.us-east-1.amazonaws.com/", sent[0].URL.String())
			require.Contains(t, body, "Action="+strings.Fields(operation)[0]+"&")
			for _, secret := range []string{assertion, secretKey, sessionToken, mfaCode} {
				canary.Check(t, secret, err, sent[0].URL)
			}
		})
	}
}
