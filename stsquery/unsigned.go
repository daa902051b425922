package stsquery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stschain-go/stschain"
)

// UnsignedInput is the input of [Client.CallUnsigned].
type UnsignedInput struct {
	Operation  string            // required; letters and digits, such as "AssumeRoleWithLDAPIdentity"
	Parameters map[string]string // of the operation, by name. An empty value is not sent

	// Secrets returns the parameters that no error may show, such as a password. It is called for each attempt, and
	// again, once, if the server reports that a token has expired. It should honor ctx. nil: none.
	Secrets func(ctx context.Context) (map[string]stschain.Secret, error)
}

// UnsignedOutput is the response of [Client.CallUnsigned].
type UnsignedOutput struct {
	Credentials stschain.Credentials
	Values      map[string]string // the other elements of the result that contain text, by name
	RequestID   string
}

// CallUnsigned calls an operation that AWS does not have, and that another server authenticates by its parameters or by
// a client certificate instead of a signature. It is for flows; those of MinIO are in package minio. The client's
// Credentials are not used. The result must contain credentials that expire.
func (c *Client) CallUnsigned(ctx context.Context, in UnsignedInput) (*UnsignedOutput, error) {
	return do(ctx, c, resolvedInput{UnsignedInput: in}, new(UnsignedOutput))
}

// resolvedInput is an input with what Secrets returned.
type resolvedInput struct {
	UnsignedInput
	secrets map[string]stschain.Secret
}

func (in resolvedInput) operation() operation { return operation{name: in.Operation, unsigned: true} }

// renew calls Secrets for the next attempt.
func (in resolvedInput) renew(ctx context.Context) (_ Input, err error) {
	if in.Secrets != nil {
		// Wrapped, so that a chain does not mistake an Unavailable error of Secrets for one of the call.
		if in.secrets, err = in.Secrets(ctx); err != nil {
			return nil, fmt.Errorf("not sent: %w", err)
		}
	}
	return in, nil
}

func (in resolvedInput) check(r *rules) {
	if r.aws {
		r.addf("AWS does not have the operation %s: set Client.Endpoint to the URL of the server", quote(in.Operation))
	}
	for _, name := range slices.Concat([]string{in.Operation}, sorted(in.Parameters), sorted(in.secrets)) {
		if name == "" || strings.IndexFunc(name, func(c rune) bool { return !isWord(c) && c != '.' }) >= 0 {
			r.addf("%s is not a valid name of an operation or a parameter", quote(name))
		}
	}
	for _, name := range sorted(in.Parameters) {
		r.text(name, strings.Map(visible, in.Parameters[name]), anyLimits)
	}
	for _, name := range sorted(in.secrets) {
		r.secret(name, in.secrets[name], anyLimits)
	}
}

func (in resolvedInput) encode(q *query) {
	for _, name := range sorted(in.Parameters) {
		q.add(name, in.Parameters[name])
	}
	for _, name := range sorted(in.secrets) {
		q.secret(name, in.secrets[name])
	}
}

func (out *UnsignedOutput) decode(r result) error {
	creds, err := r.credentials()
	*out = UnsignedOutput{Credentials: creds, Values: map[string]string{}, RequestID: r.requestID}
	for e := r.first; e != nil; e = e.next {
		if e.text != "" {
			out.Values[e.name] = e.text
		}
	}
	return err
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
