package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/shared"
	"github.com/stschain-go/stschain/source/sso"
)

// keep returns a provider of the role's sessions that keeps them between runs.
func (c *call) keep(role stschain.Provider) stschain.Provider {
	if c.noCache {
		return role
	}
	k := &kept{role: role, cli: c.cli(role)}
	if found := c.sessionsIn(c.sessionsDir(signInOf(role)), c.warn); found != nil {
		k.shared = &shared.Provider{
			Provider: fresh{role, k.cli}, Store: found.store,
			Keys: []stschain.Secret{found.key}, NamingKey: found.naming,
			// The lease of a process that ends is free at once, so others wait for one that prompts, for as long as their
			// -timeout. A disk may be slow, and there is no fleet to spread calls of.
			Lease: 15 * time.Second, Wait: time.Hour, OpTimeout: 5 * time.Second, Spread: 1,
		}
	}
	return k
}

// kept is a role whose sessions are kept between runs.
type kept struct {
	role   stschain.Provider
	cli    *cliSession
	shared *shared.Provider // nil: there is no place to keep them
}

// Retrieve returns the kept session, or a new one. Processes of the user wait for the one that prompts for an MFA code.
func (k *kept) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	creds, err := k.retrieve(ctx)
	if err == nil {
		k.cli.write(creds)
	}
	return creds, err
}

func (k *kept) retrieve(ctx context.Context) (stschain.Credentials, error) {
	if k.shared == nil {
		return fresh{k.role, k.cli}.Retrieve(ctx)
	}
	if _, err := k.shared.Identity(ctx); err != nil { // of a role without one, or that cannot be assumed
		return fresh{k.role, k.cli}.Retrieve(ctx)
	}
	if role, ok := k.role.(*assumerole.Provider); ok && role.SerialNumber != "" {
		_ = stschain.Prompt(ctx) // another process may be prompting: wait for as long as for a prompt of this one
	}
	// A session that expires soon is used to its end before the user is prompted for the next.
	creds, err := k.shared.Retrieve(stschain.WithoutPrompt(ctx))
	if errors.Is(err, stschain.ErrPrompt) {
		creds, err = k.shared.Retrieve(ctx)
	}
	if cause := errors.Unwrap(err); cause != nil && err.Error() == "shared: "+cause.Error() {
		err = cause
	}
	return creds, err
}

// Identity returns that of the role.
func (k *kept) Identity(ctx context.Context) (stschain.Identity, error) {
	return (&stschain.Cache{Provider: k.role}).Identity(ctx)
}

// Invalidate drops a rejected session.
func (k *kept) Invalidate(rejected stschain.Credentials) {
	if k.shared != nil {
		k.shared.Invalidate(rejected)
	}
}

// Providers returns the role. It is for reports.
func (k *kept) Providers() []stschain.Provider { return []stschain.Provider{k.role} }

func (k *kept) String() string { return strings.TrimSpace(fmt.Sprint(k.role)) }

// fresh obtains the session of a role: the one that the AWS CLI has, or a new one.
type fresh struct {
	stschain.Provider
	cli *cliSession
}

func (f fresh) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	if creds, ok := f.cli.read(time.Now()); ok {
		return creds, nil
	}
	return f.Provider.Retrieve(ctx)
}

// Identity is that of the role. If the credentials that assume it have no identity, such as those of an instance, it is for exactly
// these credentials.
func (f fresh) Identity(ctx context.Context) (stschain.Identity, error) {
	id, err := (&stschain.Cache{Provider: f.Provider}).Identity(ctx)
	role, ok := f.Provider.(*assumerole.Provider)
	if err == nil || !ok || role.Client == nil || role.Client.Credentials == nil || role.Policy != "" || len(role.PolicyARNs)+len(role.Tags) > 0 {
		return id, err
	}
	server, err := role.Client.Server()
	if err != nil {
		return id, err
	}
	caller, err := callerOf(ctx, role.Client.Credentials)
	if err != nil {
		return id, err
	}
	return stschain.NewIdentity("role of keys", fmt.Sprintf("server=%x", server.Digest()), fmt.Sprintf("caller=%x", caller.Digest()),
		"role="+role.RoleARN, "session="+role.SessionName, "duration="+role.Duration.String(), "external-id="+role.ExternalID, "mfa="+role.SerialNumber), nil
}

// callerOf returns the identity of credentials, whatever provider has returned them.
func callerOf(ctx context.Context, p stschain.Provider) (stschain.Identity, error) {
	creds, err := p.Retrieve(ctx)
	switch {
	case err != nil:
		return stschain.Identity{}, err
	case !creds.Expires.IsZero() && strings.HasPrefix(creds.Origin, "process"):
		return stschain.Identity{}, errors.New("a process may print other temporary credentials each time")
	}
	return creds.Identity(), nil
}

func (f fresh) String() string { return fmt.Sprint(f.Provider) }

// base is the credentials that assume the role of -role-arn. Its identity is that of the credentials: the chain has none.
type base struct{ *stschain.Cache }

func (b base) Identity(ctx context.Context) (stschain.Identity, error) { return callerOf(ctx, b.Cache) }

// signInOf returns the name of the sign-in to IAM Identity Center that the credentials of p come from, "": from none.
func signInOf(p stschain.Provider) string {
	switch p := p.(type) {
	case *sso.Provider:
		return cmp.Or(p.Session, p.StartURL)
	case stschain.Parent:
		for _, base := range p.Providers() {
			if name := signInOf(base); name != "" {
				return name
			}
		}
	}
	return ""
}

// opened are the kept sessions of a call by directory, each opened at first use.
type opened struct {
	mu   sync.Mutex
	dirs map[string]*sessions // nil: there are none
}

// sessionsIn returns the sessions of a directory, nil if it cannot have any: then it calls warn.
func (o *opened) sessionsIn(dir string, warn func(error)) *sessions {
	o.mu.Lock()
	found, ok := o.dirs[dir]
	o.mu.Unlock()
	if ok {
		return found
	}
	found, err := openSessions(dir)
	if err != nil {
		warn(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dirs == nil {
		o.dirs = map[string]*sessions{}
	}
	o.dirs[dir] = found
	return found
}

// warn says with -v why sessions are not kept.
func (c *call) warn(err error) {
	if c.verbose {
		fmt.Fprintf(c.stderr, "stschain: sessions are not kept: %v\n", err)
	}
}
