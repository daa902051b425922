package stsquery_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/stsquery"
)

// elsewhere is a client of a server that is not AWS.
func elsewhere(t *testing.T, steps ...step) (*stsquery.Client, *script) {
	c, s := scripted(steps...)
	c.Credentials, c.Region, c.Endpoint = touchy{t}, "", "https://minio.example"
	return c, s
}

func passwords(list ...string) func(context.Context) (map[string]stschain.Secret, error) {
	next := tokens(list...)
	return func(ctx context.Context) (map[string]stschain.Secret, error) {
		password, err := next(ctx)
		return map[string]stschain.Secret{"LDAPPassword": password}, err
	}
}

const otherOperation = "AssumeRoleWithLDAPIdentity"

// The parameters are sent in order, the secrets are read for each attempt, and the whole result is returned.
func TestCallUnsigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := elsewhere(t, down, result(otherOperation, credentialsXML+"<AssumedUser>custom:alice</AssumedUser><Empty/>"))
		out, err := c.CallUnsigned(t.Context(), stsquery.UnsignedInput{
			Operation: otherOperation, Parameters: map[string]string{"LDAPUsername": "a&b", "Policy": "{\n}", "DurationSeconds": "900", "ConfigName": ""},
			Secrets: passwords("first pass", "second=pass"),
		})
		require.NoError(t, err)
		require.Equal(t, &stsquery.UnsignedOutput{
			Credentials: decoded(otherOperation), Values: map[string]string{"AssumedUser": "custom:alice"}, RequestID: "req-1",
		}, out)
		const sent = "Action=" + otherOperation + "&Version=2011-06-15&DurationSeconds=900&LDAPUsername=a%26b&Policy=%7B%0A%7D&LDAPPassword="
		require.Equal(t, []string{sent + "first%20pass", sent + "second%3Dpass"}, s.bodies)
		require.Empty(t, strings.Join(s.auth, ""))
	})
}

// What cannot be sent is not, and the reason is permanent and shows no secret.
func TestCallUnsignedChecks(t *testing.T) {
	const secret = "canary-4711\npassword"
	for name, test := range map[string]struct {
		in   stsquery.UnsignedInput
		want string
	}{
		"no operation":      {stsquery.UnsignedInput{}, `"" is not a valid name`},
		"operation":         {stsquery.UnsignedInput{Operation: "A&B=C"}, `"A&B=C" is not a valid name`},
		"parameter":         {stsquery.UnsignedInput{Operation: "A", Parameters: map[string]string{"x y": "z"}}, `"x y" is not a valid name`},
		"control character": {stsquery.UnsignedInput{Operation: "A", Parameters: map[string]string{"x": "\x00"}}, "x is \"\\x00\", with control characters"},
		"secret":            {stsquery.UnsignedInput{Operation: "A", Secrets: passwords(secret)}, "LDAPPassword is a secret, with control characters"},
		"secrets fail":      {stsquery.UnsignedInput{Operation: "A", Secrets: passwords()}, "not sent: the file is gone"},
	} {
		c, s := elsewhere(t)
		_, err := c.CallUnsigned(t.Context(), test.in)
		require.ErrorContains(t, err, test.want, name)
		require.Equal(t, test.in.Secrets == nil || name == "secret", errors.Is(err, stschain.ErrPermanent), name)
		canary.Check(t, secret, err)
		require.Empty(t, s.bodies)
	}
	c, s := scripted()
	_, err := c.CallUnsigned(t.Context(), stsquery.UnsignedInput{Operation: otherOperation})
	require.ErrorContains(t, err, `AWS does not have the operation "AssumeRoleWithLDAPIdentity": set Client.Endpoint`)
	require.Empty(t, s.bodies)
}

// A secret without a value is unavailable to Secrets, and the call has failed.
func TestCallUnsignedUnavailable(t *testing.T) {
	c, _ := elsewhere(t)
	_, err := c.CallUnsigned(t.Context(), stsquery.UnsignedInput{Operation: "A", Secrets: func(context.Context) (map[string]stschain.Secret, error) {
		return nil, stschain.Unavailable("no file")
	}})
	require.ErrorContains(t, err, "no file")
	require.False(t, stschain.IsUnavailable(err))
}

// A result must have complete credentials, and an error shows no secret that the server echoes.
func TestCallUnsignedResponses(t *testing.T) {
	const password = "hunter4711-canary/pass"
	for name, test := range map[string]struct {
		response step
		want     string
	}{
		"no expiry":         {result(otherOperation, strings.Replace(credentialsXML, "<Expiration>2099-11-21T17:56:58Z</Expiration>", "", 1)), "Expiration of the response is missing"},
		"zero time":         {result(otherOperation, strings.Replace(credentialsXML, "2099-11-21T17:56:58Z", "0001-01-01T00:00:00Z", 1)), "Expiration of the response is missing or not a valid time"},
		"error with 200":    {step{status: 200, body: stsError("InvalidParameterValue", "no")}, "200 OK: InvalidParameterValue: no"},
		"S3 error":          {step{status: 400, body: "<Error><Code>InvalidParameterValue</Code><Message>" + password + "</Message></Error>"}, "a message that is not shown"},
		"HTML":              {step{status: 200, body: "<html><body>" + password + "</body></html>"}, "the root element of the response is html"},
		"another operation": {result("AssumeRole", credentialsXML), "the root element of the response is AssumeRoleResponse"},
		"echo":              {step{status: 400, body: stsError("InvalidParameterValue", "you sent "+password)}, "a message that is not shown"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := elsewhere(t, test.response)
			_, err := c.CallUnsigned(t.Context(), stsquery.UnsignedInput{Operation: otherOperation, Secrets: passwords(password, password)})
			require.ErrorContains(t, err, test.want)
			canary.Check(t, password, err)
		})
	}
	other := result(otherOperation, credentialsXML)
	other.body = strings.Replace(other.body, "https://sts.amazonaws.com/doc/2011-06-15/", "urn:other", 1)
	c, _ := elsewhere(t, other)
	out, err := c.CallUnsigned(t.Context(), stsquery.UnsignedInput{Operation: otherOperation})
	require.NoError(t, err, "another namespace")
	require.Equal(t, decoded(otherOperation), out.Credentials)
}
