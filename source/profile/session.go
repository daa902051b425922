package profile

import (
	"context"
	"fmt"
	"sync"

	"github.com/stschain-go/stschain"
)

// session is a role under WrapRole. Its contents may be secret, so they are in a function.
type session struct {
	wrapped func() stschain.Provider
	name    string
}

// wrap returns the provider of a role under WrapRole, which is called later: build runs under a lock.
func (p *Provider) wrap(s *step, role stschain.Provider) stschain.Provider {
	if p.WrapRole == nil || s.kind != fromRole && s.kind != fromWebIdentity && s.kind != fromSSO {
		return role
	}
	return &session{sync.OnceValue(func() stschain.Provider { return p.WrapRole(role) }), fmt.Sprint(role)}
}

func (s *session) String() string { return s.name }

func (s *session) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return s.wrapped().Retrieve(ctx)
}

func (s *session) Identity(ctx context.Context) (stschain.Identity, error) {
	return (&stschain.Cache{Provider: s.wrapped()}).Identity(ctx)
}

func (s *session) Invalidate(rejected stschain.Credentials) {
	if i, ok := s.wrapped().(stschain.Invalidator); ok {
		i.Invalidate(rejected)
	}
}

// Providers returns the provider that WrapRole returned. It is for reports.
func (s *session) Providers() []stschain.Provider { return []stschain.Provider{s.wrapped()} }
