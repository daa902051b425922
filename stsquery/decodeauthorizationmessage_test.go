package stsquery_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/stsquery"
)

// As STS sends it.
const deniedMessage = `{"allowed":false,"explicitDeny":true,"matchedStatements":{"items":[{"statementId":"NoRuns","effect":"DENY","principals":{"items":[{"value":"AROA1"}]},` +
	`"principalGroups":{"items":[]},"actions":{"items":[{"value":"ec2:RunInstances"}]},"resources":{"items":[{"value":"*"},{"value":"arn:x"}]},` +
	`"conditions":{"items":[{"key":"ec2:Region","values":{"items":[{"value":"eu-west-1"}]}}]}}]},"failures":{"items":[{"why":"?"}]},"context":{"principal":{"id":"AROA1:Ana","name":"Ana",` +
	`"arn":"arn:aws:sts::111122223333:assumed-role/Developer/Ana"},"action":"ec2:RunInstances","resource":"arn:aws:ec2:us-east-1:111122223333:instance/*",` +
	`"conditions":{"items":[{"key":"ec2:Tenancy","values":{"items":[{"value":"default"}]}},{"key":"ec2:Empty","values":{"items":[]}}]}}}`

// As the STS reference shows it, its brackets mended.
const documentedMessage = `{"allowed": "false","explicitDeny": "false","matchedStatements": "","failures": "","context": {"principal": {"id": "AIDA1","name": "Bob","arn": "arn:aws:iam::123456789012:user/Bob"},` +
	`"action": "ec2:StopInstances","resource": "arn:r","conditions": [{"item": {"key": "ec2:Tenancy","values": ["default"]}},{"item": {"key": "ec2:X","values": ["a","b"]}}]}}`

func TestDecision(t *testing.T) {
	type conditions = []stsquery.AuthorizationCondition
	for name, test := range map[string]struct {
		message string
		want    stsquery.AuthorizationDecision
	}{
		"as it is sent": {deniedMessage, stsquery.AuthorizationDecision{
			ExplicitDeny: true,
			MatchedStatements: []stsquery.AuthorizationStatement{{
				StatementID: "NoRuns", Effect: "DENY", Principals: []string{"AROA1"}, Actions: []string{"ec2:RunInstances"}, Resources: []string{"*", "arn:x"},
				Conditions: conditions{{Key: "ec2:Region", Values: []string{"eu-west-1"}}},
			}},
			Failures: []string{`{"why":"?"}`},
			Context: stsquery.AuthorizationContext{
				Principal: stsquery.AuthorizationPrincipal{ID: "AROA1:Ana", Name: "Ana", ARN: "arn:aws:sts::111122223333:assumed-role/Developer/Ana"},
				Action:    "ec2:RunInstances", Resource: "arn:aws:ec2:us-east-1:111122223333:instance/*",
				Conditions: conditions{{Key: "ec2:Tenancy", Values: []string{"default"}}, {Key: "ec2:Empty"}},
			},
		}},
		"as it is documented": {documentedMessage, stsquery.AuthorizationDecision{
			Context: stsquery.AuthorizationContext{
				Principal: stsquery.AuthorizationPrincipal{ID: "AIDA1", Name: "Bob", ARN: "arn:aws:iam::123456789012:user/Bob"},
				Action:    "ec2:StopInstances", Resource: "arn:r",
				Conditions: conditions{{Key: "ec2:Tenancy", Values: []string{"default"}}, {Key: "ec2:X", Values: []string{"a", "b"}}},
			},
		}},
		"allowed":  {`{"allowed":true,"explicitDeny":null}`, stsquery.AuthorizationDecision{Allowed: true}},
		"allowed:": {`{"allowed":"true","explicitDeny":"","failures":null}`, stsquery.AuthorizationDecision{Allowed: true}},
		"nothing":  {`{}`, stsquery.AuthorizationDecision{}},
		"more":     {`{"new":[1,{}],"context":{"new":1}}`, stsquery.AuthorizationDecision{}},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := scripted(result("DecodeAuthorizationMessage", "<DecodedMessage>"+strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(test.message)+"</DecodedMessage>"))
			out, err := c.DecodeAuthorizationMessage(t.Context(), stsquery.DecodeAuthorizationMessageInput{EncodedMessage: "abc"})
			require.NoError(t, err)
			require.Equal(t, test.message, out.DecodedMessage)
			got, err := out.Decision()
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

// What STS would have to document first.
func TestNoDecision(t *testing.T) {
	for _, message := range []string{
		"", "no", "[]", "1", `{"allowed":"perhaps"}`, `{"allowed":1}`, `{"matchedStatements":"x"}`, `{"matchedStatements":[1]}`, `{"context":[]}`, `{"context":{"conditions":1}}`,
		`{"context":{"conditions":[{"key":1}]}}`, `{"context":{"conditions":[{"values":[1]}]}}`, deniedMessage[:len(deniedMessage)-1], deniedMessage + "x",
		strings.Repeat(`{"context":`, 100_000),
	} {
		got, err := (&stsquery.DecodeAuthorizationMessageOutput{DecodedMessage: message}).Decision()
		require.ErrorContains(t, err, "stsquery: DecodedMessage is not the JSON that STS documents", "%.60q", message)
		require.Zero(t, got)
	}
}

// A message is a decision or an error.
func FuzzDecision(f *testing.F) {
	for _, s := range []string{deniedMessage, documentedMessage, "{}", "[]", `{"context":{"conditions":[{"item":{"item":{}}}]}}`, `{"failures":[null]}`, `{"matchedStatements":[null]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, message string) {
		out := stsquery.DecodeAuthorizationMessageOutput{DecodedMessage: message}
		d, err := out.Decision()
		if err != nil {
			if len(err.Error()) > 1000+len(message) {
				t.Fatalf("long error: %v", err)
			}
			return
		}
		if !json.Valid([]byte(message)) {
			t.Fatalf("%q is no JSON and became %+v", message, d)
		}
		for _, failure := range d.Failures {
			if !json.Valid([]byte(failure)) {
				t.Fatalf("%q is no JSON", failure)
			}
		}
	})
}
