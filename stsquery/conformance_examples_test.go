package stsquery_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// testExamples drives the examples of the STS model in both directions: the
// input encodes to what the model says, and the output decodes to it.
func testExamples(t *testing.T, dir string) {
	raw, err := os.ReadFile(filepath.Join(dir, "examples-1.json"))
	require.NoError(t, err)
	var file struct {
		Examples map[string][]struct {
			ID            string
			Input, Output members
		}
	}
	require.NoError(t, json.Unmarshal(raw, &file))
	played := 0
	for operation, examples := range file.Examples {
		for _, example := range examples {
			played++
			t.Run(example.ID, func(t *testing.T) {
				c, s := scripted(step{status: 200, body: answerOf(operation, example.Output)})
				c.Endpoint = "https://sts.example.com" // some examples are only half filled in
				out, err := call(t.Context(), c, inputOf(operation, example.Input))
				require.NoError(t, err)
				require.Equal(t, example.Output, membersOf(out))

				got, err := url.ParseQuery(s.bodies[0])
				require.NoError(t, err)
				want := url.Values{"Action": {operation}, "Version": {"2011-06-15"}}
				flatten(want, "", map[string]any(example.Input))
				require.Equal(t, want, got)
			})
		}
	}
	require.Equal(t, 9, played)
}

// members are those of a structure of the model.
type members map[string]any

func (m members) text(name string) string {
	s, _ := m[name].(string)
	return s
}

func (m members) secret(name string) stschain.Secret { return stschain.NewSecret(m.text(name)) }

func (m members) seconds(name string) time.Duration {
	n, _ := m[name].(float64)
	return time.Duration(n) * time.Second
}

func (m members) list(name string) []any {
	list, _ := m[name].([]any)
	return list
}

func (m members) tags() (tags []stsquery.Tag) {
	for _, tag := range m.list("Tags") {
		tag := members(tag.(map[string]any))
		tags = append(tags, stsquery.Tag{Key: tag.text("Key"), Value: tag.text("Value")})
	}
	return tags
}

func inputOf(operation string, m members) stsquery.Input {
	switch operation {
	case "AssumeRole":
		in := stsquery.AssumeRoleInput{
			RoleARN: m.text("RoleArn"), RoleSessionName: m.text("RoleSessionName"),
			Policy: m.text("Policy"), ExternalID: m.text("ExternalId"), Tags: m.tags(),
		}
		for _, key := range m.list("TransitiveTagKeys") {
			in.TransitiveTagKeys = append(in.TransitiveTagKeys, key.(string))
		}
		return in
	case "AssumeRoleWithSAML":
		return stsquery.AssumeRoleWithSAMLInput{
			RoleARN: m.text("RoleArn"), PrincipalARN: m.text("PrincipalArn"),
			SAMLAssertion: m.secret("SAMLAssertion"), Duration: m.seconds("DurationSeconds"),
		}
	case "AssumeRoleWithWebIdentity":
		return stsquery.AssumeRoleWithWebIdentityInput{
			RoleARN: m.text("RoleArn"), RoleSessionName: m.text("RoleSessionName"), WebIdentityToken: m.secret("WebIdentityToken"),
			ProviderID: m.text("ProviderId"), Policy: m.text("Policy"), Duration: m.seconds("DurationSeconds"),
		}
	case "DecodeAuthorizationMessage":
		return stsquery.DecodeAuthorizationMessageInput{EncodedMessage: m.text("EncodedMessage")}
	case "GetCallerIdentity":
		return stsquery.GetCallerIdentityInput{}
	case "GetFederationToken":
		return stsquery.GetFederationTokenInput{
			Name: m.text("Name"), Policy: m.text("Policy"), Tags: m.tags(), Duration: m.seconds("DurationSeconds"),
		}
	case "GetSessionToken":
		return stsquery.GetSessionTokenInput{
			Duration: m.seconds("DurationSeconds"), SerialNumber: m.text("SerialNumber"), TokenCode: m.secret("TokenCode"),
		}
	}
	panic("no example of this operation was known")
}

// membersOf is an output as the model has it, zero members left out.
func membersOf(out any) members {
	credentials := func(c stschain.Credentials) map[string]any {
		return map[string]any{
			"AccessKeyId": c.AccessKeyID, "SecretAccessKey": c.SecretAccessKey.Reveal(), "SessionToken": c.SessionToken.Reveal(),
			"Expiration": c.Expires.Format(time.RFC3339Nano),
		}
	}
	user := func(u stsquery.AssumedRoleUser) map[string]any {
		return map[string]any{"Arn": u.ARN, "AssumedRoleId": u.AssumedRoleID}
	}
	var m members
	switch out := out.(type) {
	case *stsquery.AssumeRoleOutput:
		m = members{
			"Credentials": credentials(out.Credentials), "AssumedRoleUser": user(out.AssumedRoleUser),
			"PackedPolicySize": float64(out.PackedPolicySize), "SourceIdentity": out.SourceIdentity,
		}
	case *stsquery.AssumeRoleWithSAMLOutput:
		m = members{
			"Credentials": credentials(out.Credentials), "AssumedRoleUser": user(out.AssumedRoleUser),
			"PackedPolicySize": float64(out.PackedPolicySize), "SourceIdentity": out.SourceIdentity,
			"Subject": out.Subject, "SubjectType": out.SubjectType, "Issuer": out.Issuer, "Audience": out.Audience, "NameQualifier": out.NameQualifier,
		}
	case *stsquery.AssumeRoleWithWebIdentityOutput:
		m = members{
			"Credentials": credentials(out.Credentials), "AssumedRoleUser": user(out.AssumedRoleUser),
			"PackedPolicySize": float64(out.PackedPolicySize), "SourceIdentity": out.SourceIdentity,
			"SubjectFromWebIdentityToken": out.SubjectFromWebIdentityToken, "Provider": out.Provider, "Audience": out.Audience,
		}
	case *stsquery.DecodeAuthorizationMessageOutput:
		m = members{"DecodedMessage": out.DecodedMessage}
	case *stsquery.GetCallerIdentityOutput:
		m = members{"UserId": out.UserID, "Account": out.Account, "Arn": out.ARN}
	case *stsquery.GetFederationTokenOutput:
		m = members{
			"Credentials":      credentials(out.Credentials),
			"FederatedUser":    map[string]any{"Arn": out.FederatedUser.ARN, "FederatedUserId": out.FederatedUser.FederatedUserID},
			"PackedPolicySize": float64(out.PackedPolicySize),
		}
	case *stsquery.GetSessionTokenOutput:
		m = members{"Credentials": credentials(out.Credentials)}
	}
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == any("") || v == any(0.0) })
	return m
}

// answerOf is an output as the Query protocol sends it.
func answerOf(operation string, output members) string {
	var b strings.Builder
	var write func(v any)
	write = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				b.WriteString("<" + name + ">")
				write(v[name])
				b.WriteString("</" + name + ">")
			}
		default:
			xml.EscapeText(&b, []byte(fmt.Sprint(v)))
		}
	}
	write(map[string]any{operation + "Response": map[string]any{
		operation + "Result": map[string]any(output),
		"ResponseMetadata":   map[string]any{"RequestId": "req-1"},
	}})
	return b.String()
}

// flatten is an input as the Query protocol sends it.
func flatten(form url.Values, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for member, v := range v {
			flatten(form, strings.TrimPrefix(name+"."+member, "."), v)
		}
	case []any:
		for i, v := range v {
			flatten(form, fmt.Sprintf("%s.member.%d", name, i+1), v)
		}
	default:
		form.Set(name, fmt.Sprint(v))
	}
}
