// Package flow has the code that the flows share: the step in the trace, the error prefix, the checks and the names.
package flow

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// Retrieve implements the Retrieve of a flow: it reports p to the trace, and
// returns the credentials in the output of the operation.
func Retrieve[Out any](ctx context.Context, p stschain.Provider, operation func(context.Context) (Out, error), credentials func(Out) stschain.Credentials) (creds stschain.Credentials, err error) {
	ctx, end := stschain.Step{Provider: p}.Start(ctx)
	defer func() { end(creds, err) }()
	out, err := operation(ctx)
	if err != nil {
		return stschain.Credentials{}, err
	}
	return credentials(out), nil
}

// Name implements the String of a flow: its name, and what the credentials are for if that is set.
func Name(flow, subject string) string { return strings.TrimSpace(flow + " " + subject) }

// Wrap prefixes an error with the name of the flow and, if that is set, with what the credentials are
// for. Operations defer it.
func Wrap(err *error, flow, subject string) {
	switch {
	case *err == nil:
	case subject == "":
		*err = fmt.Errorf("%s: %w", flow, *err)
	default:
		*err = fmt.Errorf("%s: %s: %w", flow, subject, *err)
	}
}

// Missing is the error of a required field that is not set.
func Missing(field string) error { return stschain.Permanent(errors.New(field + " is missing")) }

// LongLivedKeys returns the credentials that the client signs with, and a permanent error if they have
// a session token. They are zero if the client has none, which its own error reports.
func LongLivedKeys(ctx context.Context, client *stsquery.Client, operation string) (stschain.Credentials, error) {
	creds, err := signingCredentials(ctx, client)
	if err == nil && !creds.SessionToken.IsZero() {
		return stschain.Credentials{}, stschain.Permanent(fmt.Errorf("Client.Credentials are temporary (%s, from %s), and %s requires the long-lived keys of a user: "+
			"sign with those, or use the temporary credentials directly", creds.AccessKeyID, creds.Origin, operation))
	}
	return creds, err
}

func signingCredentials(ctx context.Context, client *stsquery.Client) (creds stschain.Credentials, err error) {
	if client == nil {
		return creds, Missing("Client")
	}
	base := client.Cache()
	if base == nil {
		return creds, nil
	}
	ctx, end := stschain.Step{Provider: base}.Start(ctx)
	creds, err = base.Retrieve(ctx)
	if end(creds, err); err != nil {
		return stschain.Credentials{}, fmt.Errorf("no credentials to sign with: %w", err)
	}
	return creds, nil
}
