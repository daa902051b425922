// Package oauth2sts connects AWS identities to golang.org/x/oauth2: as tokens
// that AWS signs, and as credentials for Google Cloud. It is a separate module,
// because it requires that library.
//
// # Tokens that AWS signs
//
// [TokenSource] makes an oauth2.TokenSource of an identity token: STS's JWTs
// for services outside AWS that trust the account's issuer, access tokens for AWS
// services of AWS Sign-In (proof.Bearer, proof.TokenExchange), or another token of
// package proof that its verifier accepts as a bearer token.
//
//	identity := &proof.WebIdentity{
//		Client:   &stsquery.Client{Credentials: role, Region: "eu-west-1"},
//		Audience: []string{"https://api.example"},
//	}
//	client := &http.Client{Transport: &oauth2.Transport{
//		Source: oauth2sts.TokenSource(ctx, identity),
//	}}
//
// A proof.WebIdentity, proof.Bearer or proof.TokenExchange gets the next token in the background
// before one expires, as long as it is called. So pass the source directly to an oauth2.Transport, as above:
// oauth2.NewClient and oauth2.ReuseTokenSource put a cache in front that refreshes
// only in the last ten seconds of a token, while all callers wait.
//
// # Google Cloud
//
// [Google] provides Google's workload identity federation with AWS credentials
// of any Provider. By itself it supports only environment variables and the
// metadata service of EC2:
//
//	tokens, err := externalaccount.NewTokenSource(ctx, externalaccount.Config{
//		Audience:                       "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/aws/providers/main",
//		SubjectTokenType:               "urn:ietf:params:aws:token-type:aws4_request",
//		Scopes:                         []string{"https://www.googleapis.com/auth/cloud-platform"},
//		AwsSecurityCredentialsSupplier: &oauth2sts.Google{Credentials: role, Region: "eu-west-1"},
//	})
//
// The module cloud.google.com/go/auth needs the same two methods with its own
// types: wrap a Google in a type with these methods.
//
// # Secrets
//
// The types of oauth2 contain tokens and keys as plain strings, which fmt and loggers
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

// Proof generates identity tokens, such as a [*proof.WebIdentity], a [*proof.Bearer] or a [*proof.EKS].
type Proof interface {
	Token(ctx context.Context) (proof.Token, error)
}

// TokenSource returns the tokens of p as bearer tokens, with their actual
// expiry. It does not cache: p is called each time, and a [*proof.WebIdentity],
// [*proof.Bearer] or [*proof.TokenExchange] has its own cache.
//
// The Token method has no context parameter, so ctx is used for every call:
// after it has ended, p returns at most a cached token. A nil ctx is
// context.Background(). Errors wrap those of p: with a proof.WebIdentity, a
// stsquery.Error if STS refused; with a proof.Bearer or proof.TokenExchange, a proof.SignInError.
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
