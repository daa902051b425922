// Package oauth2sts connects AWS identities to golang.org/x/oauth2, both ways that
// there are. It is a module of its own, for that library.
//
// # Tokens that AWS signs
//
// [TokenSource] makes an oauth2.TokenSource of a proof of identity: STS's JWTs for
// services outside AWS that trust the account's issuer, or another of the package
// proof that its verifier takes as a bearer token.
//
//	identity := &proof.WebIdentity{
//		Client:   &stsquery.Client{Credentials: role, Region: "eu-west-1"},
//		Audience: []string{"https://api.example"},
//	}
//	client := &http.Client{Transport: &oauth2.Transport{
//		Source: oauth2sts.TokenSource(ctx, identity),
//	}}
//
// A proof.WebIdentity gets the next token in the background before one expires, as
// long as it is called. So give the source to an oauth2.Transport itself, as above:
// oauth2.NewClient and oauth2.ReuseTokenSource put a cache in front that refreshes
// only in the last ten seconds of a token, while all callers wait.
//
// # Google Cloud
//
// [Google] hands AWS credentials of any Provider to Google's workload identity
// federation, which by itself knows only environment variables and the metadata
// service of EC2:
//
//	tokens, err := externalaccount.NewTokenSource(ctx, externalaccount.Config{
//		Audience:                       "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/aws/providers/main",
//		SubjectTokenType:               "urn:ietf:params:aws:token-type:aws4_request",
//		Scopes:                         []string{"https://www.googleapis.com/auth/cloud-platform"},
//		AwsSecurityCredentialsSupplier: &oauth2sts.Google{Credentials: role, Region: "eu-west-1"},
//	})
//
// The module cloud.google.com/go/auth needs the same two methods with types of its
// own: wrap a Google in a type of two methods.
//
// # Secrets
//
// The types of oauth2 hold tokens and keys as plain strings, which fmt and loggers
// show. Values that this package returns in these types are not protected.
package oauth2sts

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/oauth2"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/proof"
)

// Proof makes identity tokens: a [*proof.WebIdentity], a [*proof.EKS]
// or another.
type Proof interface {
	Token(ctx context.Context) (proof.Token, error)
}

// TokenSource gives the tokens of p as bearer tokens, with their true expiry. It
// caches none: p is called each time, and a [*proof.WebIdentity] has its own cache.
//
// An oauth2.TokenSource has no context of its own, so ctx is that of every call: once
// it has ended, p gives at most what it holds. Nil is context.Background(). Errors wrap
// those of p: with a proof.WebIdentity a stsquery.Error where STS refused.
func TokenSource(ctx context.Context, p Proof) oauth2.TokenSource {
	return tokenSource{orBackground(ctx), p}
}

type tokenSource struct {
	ctx   context.Context
	proof Proof
}

// Token implements oauth2.TokenSource.
func (s tokenSource) Token() (*oauth2.Token, error) {
	if s.proof == nil {
		return nil, stschain.Permanent(errors.New("oauth2sts: the Proof of TokenSource is missing"))
	}
	token, err := s.proof.Token(s.ctx)
	if err != nil {
		return nil, fmt.Errorf("oauth2sts: %w", err)
	}
	return &oauth2.Token{AccessToken: token.Value.Reveal(), TokenType: "Bearer", Expiry: token.Expires}, nil
}

// orBackground is for libraries that pass a nil context.
func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}
