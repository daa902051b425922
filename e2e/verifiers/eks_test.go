package verifiers_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	clientauthv1 "k8s.io/client-go/pkg/apis/clientauthentication/v1"
	"sigs.k8s.io/aws-iam-authenticator/pkg/token"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// fakeSTS stands in for every host of AWS: the verifier insists on real ones, and
// calls them through http.DefaultTransport.
func fakeSTS(t *testing.T) *ststest.Server {
	srv := ststest.NewTest(t)
	srv.AllowRefusals("SignatureDoesNotMatch", "InvalidClientTokenId")
	actual := http.DefaultTransport
	http.DefaultTransport = inJSON{ststest.InProcess(srv)}
	t.Cleanup(func() { http.DefaultTransport = actual })
	return srv
}

// inJSON responds in JSON, which the verifier requests of STS.
type inJSON struct{ sts http.RoundTripper }

func (j inJSON) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := j.sts.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK || req.Header.Get("Accept") != "application/json" {
		return resp, err
	}
	defer resp.Body.Close()
	var reply struct {
		Result struct{ Account, Arn, UserId string } `xml:"GetCallerIdentityResult"`
	}
	if err := xml.NewDecoder(resp.Body).Decode(&reply); err != nil {
		return nil, err
	}
	text, err := json.Marshal(map[string]any{"GetCallerIdentityResponse": map[string]any{"GetCallerIdentityResult": reply.Result}})
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(string(text))), int64(len(text))
	return resp, err
}

// keysOf are those of a session of a role, that the server knows.
func keysOf(srv *ststest.Server) stschain.Provider {
	srv.AddKeys("arn:aws:sts::123456789012:assumed-role/web/session", stschain.Credentials{
		AccessKeyID: keyID, SecretAccessKey: stschain.NewSecret(secretKey), SessionToken: stschain.NewSecret(sessionToken),
	})
	return keys
}

func TestEKSAccepted(t *testing.T) {
	known := keysOf(fakeSTS(t))
	for partition, clients := range map[string][]*stsquery.Client{
		"aws": {
			{Credentials: known, Region: "eu-west-1"},
			{Credentials: known, Region: "us-east-1"},
			{Credentials: known, Region: "aws-global"},
			{Credentials: known, Region: "us-west-2", FIPS: true},
			{Credentials: known, Region: "us-west-2", DualStack: true},
		},
		"aws-cn":     {{Credentials: known, Region: "cn-north-1"}},
		"aws-us-gov": {{Credentials: known, Region: "us-gov-west-1"}},
	} {
		for _, client := range clients {
			made, err := (&proof.EKS{Client: client, Cluster: "production"}).Token(t.Context())
			require.NoError(t, err)
			who, err := token.NewVerifier("production", partition, client.Region).Verify(made.Value.Reveal())
			require.NoError(t, err, client.Region)
			require.Equal(t, "arn:aws:sts::123456789012:assumed-role/web/session", who.ARN)
			require.Equal(t, "arn:aws:iam::123456789012:role/web", who.CanonicalARN)
			require.Equal(t, "session", who.SessionName)
			require.Equal(t, keyID, who.AccessKeyID)
		}
	}
}

func TestEKSRefused(t *testing.T) {
	srv := fakeSTS(t)
	client := &stsquery.Client{Region: "eu-west-1", Credentials: keysOf(srv)}
	made, err := (&proof.EKS{Client: client, Cluster: "production"}).Token(t.Context())
	require.NoError(t, err)
	verifier := token.NewVerifier("production", "aws", "eu-west-1")
	_, err = verifier.Verify(made.Value.Reveal())
	require.NoError(t, err)

	_, err = token.NewVerifier("staging", "aws", "eu-west-1").Verify(made.Value.Reveal())
	require.ErrorContains(t, err, "SignatureDoesNotMatch", "for another cluster")

	encoded := strings.TrimPrefix(made.Value.Reveal(), "k8s-aws-v1.")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	require.NoError(t, err)
	good := string(text)
	u, err := url.Parse(good)
	require.NoError(t, err)
	signature := u.Query().Get("X-Amz-Signature")
	flipped := strings.Map(func(r rune) rune {
		if r == '0' {
			return '1'
		}
		return '0'
	}, signature[:1]) + signature[1:]
	for name, test := range map[string]struct{ old, new, err string }{
		"altered signature":     {signature, flipped, "SignatureDoesNotMatch"},
		"another date":          {"X-Amz-Date=" + u.Query().Get("X-Amz-Date"), "X-Amz-Date=" + time.Now().UTC().Add(time.Minute).Format("20060102T150405Z"), "403"},
		"another key":           {keyID, "ASIAEXAMPLEEXAMPLE11", "InvalidClientTokenId"},
		"another session token": {"X-Amz-Security-Token=", "X-Amz-Security-Token=x", "403"},
		"extra parameter":       {"&X-Amz-Signature=", "&extra=1&X-Amz-Signature=", `non-whitelisted query parameter "extra"`},
		"doubled parameter":     {"&X-Amz-Signature=", "&action=GetCallerIdentity&X-Amz-Signature=", "duplicate query parameter"},
		"another action":        {"GetCallerIdentity", "AssumeRole", "unexpected action"},
		"cluster not signed":    {"host%3Bx-k8s-aws-id", "host", "did not sign the x-k8s-aws-id header"},
		"another host":          {"sts.eu-west-1.amazonaws.com", "sts.eu-west-1.example.com", "unexpected hostname"},
		"plain http":            {"https://", "http://", "unexpected scheme"},
		"another path":          {".com/?", ".com/x?", "unexpected path"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, 1, strings.Count(good, test.old))
			bad := strings.Replace(good, test.old, test.new, 1)
			_, err := verifier.Verify("k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(bad)))
			require.ErrorContains(t, err, test.err)
		})
	}
}

// A token is good until the instant that it names, and expired a minute later.
// Reports: aws-iam-authenticator#590.
func TestEKSExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := fakeSTS(t)
		client := &stsquery.Client{Region: "eu-west-1", Credentials: keysOf(srv)}
		made, err := (&proof.EKS{Client: client, Cluster: "production"}).Token(t.Context())
		require.NoError(t, err)
		verifier := token.NewVerifier("production", "aws", "eu-west-1")
		<-time.After(time.Until(made.Expires))
		_, err = verifier.Verify(made.Value.Reveal())
		require.NoError(t, err)
		<-time.After(time.Minute + time.Second)
		_, err = verifier.Verify(made.Value.Reveal())
		require.ErrorContains(t, err, "X-Amz-Date parameter is expired")
	})
}

// Kubernetes' own type reads what kubectl receives.
func TestExecCredential(t *testing.T) {
	eks := &proof.EKS{Client: &stsquery.Client{Region: "eu-west-1", Credentials: keys}, Cluster: "production"}
	made, err := eks.ExecCredential(t.Context(), `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":true}}`)
	require.NoError(t, err)
	var credential clientauthv1.ExecCredential
	decoder := json.NewDecoder(strings.NewReader(made.Value.Reveal()))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&credential))
	require.Equal(t, clientauthv1.SchemeGroupVersion.String(), credential.APIVersion)
	require.Equal(t, "ExecCredential", credential.Kind)
	require.True(t, credential.Status.ExpirationTimestamp.Time.Equal(made.Expires.Truncate(time.Second)))
	require.True(t, strings.HasPrefix(credential.Status.Token, "k8s-aws-v1."))

	generator, err := token.NewGenerator(false, false)
	require.NoError(t, err)
	t.Setenv("KUBERNETES_EXEC_INFO", `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}`)
	theirs := generator.FormatJSON(token.Token{Token: credential.Status.Token, Expiration: made.Expires})
	var same clientauthv1.ExecCredential
	require.NoError(t, json.Unmarshal([]byte(theirs), &same))
	require.Equal(t, same, credential)
}
