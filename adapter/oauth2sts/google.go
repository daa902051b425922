package oauth2sts

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"golang.org/x/oauth2/google/externalaccount"

	"github.com/stschain-go/stschain"
)

// Google provides Google's libraries with AWS credentials for workload identity
// federation: it is an externalaccount.AwsSecurityCredentialsSupplier. Do not
// change its fields after first use, and do not copy it.
//
// The library itself signs a call of STS's GetCallerIdentity for
// https://sts.REGION.amazonaws.com with these credentials. That does not work
// for regions of China or of an isolated partition: use a [GoogleSubject]
// there.
type Google struct {
	Credentials stschain.Provider // required; called through stschain.Cached
	Region      string            // required: "eu-west-1", of the STS endpoint that Google calls

	once  sync.Once
	creds stschain.CachedProvider
}

var _ externalaccount.AwsSecurityCredentialsSupplier = (*Google)(nil)

// replay is how long the credentials must stay valid for Google to verify them with STS.
// It is below the mandatory window of a cache, so that cached credentials are sufficient while refreshes fail.
const replay = 30 * time.Second

var region = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`) // it becomes a part of a host name

// AwsRegion returns Region.
func (g *Google) AwsRegion(context.Context, externalaccount.SupplierOptions) (string, error) {
	switch {
	case g.Region == "":
		return "", stschain.Permanent(errors.New("oauth2sts: Google.Region is missing"))
	case !region.MatchString(g.Region):
		return "", stschain.Permanent(fmt.Errorf("oauth2sts: Google.Region %q is not a valid region name", g.Region))
	}
	return g.Region, nil
}

// AwsSecurityCredentials returns credentials that are valid for at least another half
// minute, so that Google can send the signed request to STS.
func (g *Google) AwsSecurityCredentials(ctx context.Context, _ externalaccount.SupplierOptions) (*externalaccount.AwsSecurityCredentials, error) {
	if g.Credentials == nil {
		return nil, stschain.Permanent(errors.New("oauth2sts: Google.Credentials is missing"))
	}
	g.once.Do(func() { g.creds = stschain.Cached(g.Credentials) })
	creds, err := g.creds.RetrieveFor(orBackground(ctx), replay)
	if err != nil {
		return nil, fmt.Errorf("oauth2sts: no AWS credentials for Google Cloud: %w", err)
	}
	return &externalaccount.AwsSecurityCredentials{
		AccessKeyID:     creds.AccessKeyID,
		SecretAccessKey: creds.SecretAccessKey.Reveal(),
		SessionToken:    creds.SessionToken.Reveal(),
	}, nil
}

// GoogleSubject provides Google's workload identity federation with tokens of a proof: it is an
// externalaccount.SubjectTokenSupplier. Do not change its fields after first use.
type GoogleSubject struct {
	// Proof is required: a [*proof.GCP], for the subject token type
	// urn:ietf:params:aws:token-type:aws4_request, which works with every endpoint of STS; or a
	// [*proof.WebIdentity], for urn:ietf:params:oauth:token-type:jwt and a pool that trusts the
	// account's issuer.
	Proof Proof
}

var _ externalaccount.SubjectTokenSupplier = (*GoogleSubject)(nil)

// SubjectToken returns a token.
func (g *GoogleSubject) SubjectToken(ctx context.Context, _ externalaccount.SupplierOptions) (string, error) {
	if g.Proof == nil {
		return "", stschain.Permanent(errors.New("oauth2sts: GoogleSubject.Proof is missing"))
	}
	token, err := g.Proof.Token(orBackground(ctx))
	if err != nil {
		return "", fmt.Errorf("oauth2sts: %w", err)
	}
	return token.Value.Reveal(), nil
}
