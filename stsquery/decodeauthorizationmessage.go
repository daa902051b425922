package stsquery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// DecodeAuthorizationMessageInput is what [Client.DecodeAuthorizationMessage] is
// asked with.
type DecodeAuthorizationMessageInput struct {
	EncodedMessage string // as it came with a refusal; required by AWS; up to 10,240 characters
}

// DecodeAuthorizationMessageOutput is what [Client.DecodeAuthorizationMessage]
// answers.
type DecodeAuthorizationMessageOutput struct {
	DecodedMessage string // JSON; Decision takes it apart
	RequestID      string
}

// AuthorizationDecision is what a decoded message says.
type AuthorizationDecision struct {
	Allowed           bool
	ExplicitDeny      bool                     // false, and not allowed: nothing allowed it
	MatchedStatements []AuthorizationStatement // of policies, that decided
	Failures          []string                 // JSON, as AWS does not say what it looks like
	Context           AuthorizationContext
}

// AuthorizationContext is the request that was decided about.
type AuthorizationContext struct {
	Principal  AuthorizationPrincipal
	Action     string // ec2:RunInstances
	Resource   string
	Conditions []AuthorizationCondition // keys that policies can test, and what they were
}

// AuthorizationPrincipal is who made a request. Not all of it is always known.
type AuthorizationPrincipal struct{ ID, Name, ARN string }

// AuthorizationCondition is a condition key and its values.
type AuthorizationCondition struct {
	Key    string
	Values []string
}

// AuthorizationStatement is a statement of a policy.
type AuthorizationStatement struct {
	StatementID     string
	Effect          string // DENY or ALLOW
	Principals      []string
	PrincipalGroups []string
	Actions         []string
	Resources       []string
	Conditions      []AuthorizationCondition
}

// DecodeAuthorizationMessage makes the encoded message of a refusal readable,
// which EC2, for one, sends with UnauthorizedOperation: who was refused what, and
// why. Few operations of AWS send one. It is encoded because the reasons may be
// none of the caller's business, so reading it takes a permission of its own:
// sts:DecodeAuthorizationMessage.
//
// Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
func (c *Client) DecodeAuthorizationMessage(ctx context.Context, in DecodeAuthorizationMessageInput) (*DecodeAuthorizationMessageOutput, error) {
	var out DecodeAuthorizationMessageOutput
	if err := c.call(ctx, in, out.decode); err != nil {
		return nil, err
	}
	return &out, nil
}

func (DecodeAuthorizationMessageInput) operation() operation {
	return operation{name: "DecodeAuthorizationMessage"}
}

func (in DecodeAuthorizationMessageInput) check(r *rules) {
	r.required("EncodedMessage", in.EncodedMessage)
	r.text("EncodedMessage", in.EncodedMessage, limits{1, 10240, nil, ""})
}

func (in DecodeAuthorizationMessageInput) encode(q *query) {
	q.add("EncodedMessage", in.EncodedMessage)
}

func (out *DecodeAuthorizationMessageOutput) decode(result *element, requestID string) error {
	out.DecodedMessage = result.value("DecodedMessage")
	out.RequestID = requestID
	if out.DecodedMessage == "" {
		return errors.New("the answer has no DecodedMessage")
	}
	return nil
}

// Decision takes DecodedMessage apart. It is an error if that is not the JSON
// which STS documents; parts that are missing are zero.
func (out *DecodeAuthorizationMessageOutput) Decision() (AuthorizationDecision, error) {
	var m decisionJSON
	if err := json.Unmarshal([]byte(out.DecodedMessage), &m); err != nil {
		return AuthorizationDecision{}, fmt.Errorf("stsquery: DecodedMessage is not the JSON that STS documents: %w", err)
	}
	d := AuthorizationDecision{
		Allowed:      bool(m.Allowed),
		ExplicitDeny: bool(m.ExplicitDeny),
		Context: AuthorizationContext{
			Principal:  m.Context.Principal,
			Action:     m.Context.Action,
			Resource:   m.Context.Resource,
			Conditions: conditionsOf(m.Context.Conditions),
		},
	}
	for _, s := range m.MatchedStatements {
		d.MatchedStatements = append(d.MatchedStatements, AuthorizationStatement{
			StatementID:     s.StatementID,
			Effect:          s.Effect,
			Principals:      textsOf(s.Principals),
			PrincipalGroups: textsOf(s.PrincipalGroups),
			Actions:         textsOf(s.Actions),
			Resources:       textsOf(s.Resources),
			Conditions:      conditionsOf(s.Conditions),
		})
	}
	for _, f := range m.Failures {
		d.Failures = append(d.Failures, string(f))
	}
	return d, nil
}

// decisionJSON is a decoded message as it is sent. The names match in any case.
type decisionJSON struct {
	Allowed           flagJSON
	ExplicitDeny      flagJSON
	MatchedStatements listJSON[struct {
		StatementID                                     string
		Effect                                          string
		Principals, PrincipalGroups, Actions, Resources listJSON[textJSON]
		Conditions                                      listJSON[conditionJSON]
	}]
	Failures listJSON[json.RawMessage]
	Context  struct {
		Principal        AuthorizationPrincipal
		Action, Resource string
		Conditions       listJSON[conditionJSON]
	}
}

// conditionJSON is a condition, or, in the example of the STS reference, an
// object that holds one.
type conditionJSON struct {
	Key    string
	Values listJSON[textJSON]
	Item   *conditionJSON
}

func conditionsOf(list []conditionJSON) (conditions []AuthorizationCondition) {
	for _, c := range list {
		if c.Item != nil {
			c = *c.Item
		}
		conditions = append(conditions, AuthorizationCondition{c.Key, textsOf(c.Values)})
	}
	return conditions
}

func textsOf(list []textJSON) (texts []string) {
	for _, t := range list {
		texts = append(texts, string(t))
	}
	return texts
}

// flagJSON is true or false, or, in that example, the same as a string.
type flagJSON bool

func (f *flagJSON) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `true`, `"true"`:
		*f = true
	case `false`, `"false"`, `""`, `null`:
		*f = false
	default:
		return errors.New("neither true nor false")
	}
	return nil
}

// listJSON is {"items": [...]}, or, in that example, the array alone, or "" for
// an empty one.
type listJSON[T any] []T

func (l *listJSON[T]) UnmarshalJSON(b []byte) error {
	if string(b) == `""` || string(b) == `null` {
		return nil
	}
	if b[0] == '[' {
		return json.Unmarshal(b, (*[]T)(l))
	}
	var object struct{ Items []T }
	err := json.Unmarshal(b, &object)
	*l = object.Items
	return err
}

// textJSON is {"value": "..."}, or the string alone.
type textJSON string

func (t *textJSON) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	var object struct{ Value string }
	err := json.Unmarshal(b, &object)
	*t = textJSON(object.Value)
	return err
}
