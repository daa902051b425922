package flow

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
)

// Identity implements the Identity of a flow: the server, the caller if the operation is signed, and the fields.
func Identity(ctx context.Context, kind string, client *stsquery.Client, signed bool, fields ...string) (stschain.Identity, error) {
	if client == nil {
		return stschain.Identity{}, Missing("Client")
	}
	server, err := client.Server()
	if err != nil {
		return stschain.Identity{}, err
	}
	of := []string{fmt.Sprintf("server=%x", server.Digest())}
	if signed {
		caller, err := Caller(ctx, "Client.Credentials", client.Credentials)
		if err != nil {
			return stschain.Identity{}, err
		}
		of = append(of, caller)
	}
	return stschain.NewIdentity(kind, append(of, fields...)...), nil
}

// Caller is the field of the caller: the identity of the credentials that sign, which are in a field of the flow.
func Caller(ctx context.Context, field string, p stschain.Provider) (string, error) {
	if p == nil {
		return "", Missing(field)
	}
	caller, err := (&stschain.Cache{Provider: p}).Identity(ctx)
	if err != nil {
		return "", fmt.Errorf("no identity, because %s have none: %w", field, err)
	}
	name := "caller"
	if strings.Contains(caller.String(), ofHost) {
		name += "-of-host"
	}
	return fmt.Sprintf("%s=%x", name, caller.Digest()), nil
}

// ofHost marks fields that no other host has.
const ofHost = "-of-host="

// Session is the field of a session name. The default one names the host.
func Session(name string) string {
	if name == "" {
		return "session" + ofHost + SessionName("")
	}
	return "session=" + name
}

// Set is a list whose order does not count, as the value of a field. Each member is quoted, so that no other
// list has the same value.
func Set[T any](list []T, parts func(T) []string) string {
	var quoted []string
	for _, member := range list {
		quoted = append(quoted, fmt.Sprintf("%q", parts(member)))
	}
	slices.Sort(quoted)
	return strings.Join(quoted, "")
}

// Names is the Set of strings.
func Names(list []string) string { return Set(list, func(s string) []string { return []string{s} }) }

// Tags is the Set of tags.
func Tags(list []stsquery.Tag) string {
	return Set(list, func(t stsquery.Tag) []string { return []string{t.Key, t.Value} })
}
