package webidentity

import (
	"context"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/permanent"
	"github.com/stschain-go/stschain/stsquery"
)

// FromEnv assumes the role that AWS's environment variables name:
//
//	AWS_WEB_IDENTITY_TOKEN_FILE  the file that the token is in
//	AWS_ROLE_ARN                 the role
//	AWS_ROLE_SESSION_NAME        what the session is called; none: as in [Provider]
//	AWS_REGION                   the region whose STS is asked; also AWS_DEFAULT_REGION
//
// Amazon EKS sets them in pods whose service account has a role. They are read
// each time it is asked, and at no other time. A variable that is empty or blank
// counts as not set. The zero FromEnv is ready; it is not copied.
type FromEnv struct {
	LookupEnv func(name string) (value string, ok bool) // nil: os.LookupEnv
	Open      func(path string) (fs.File, error)        // for the token file; nil: os.Open

	// Client makes the client for a region, which is empty if none is set. It is
	// called once a region. nil: a client of which nothing else is set.
	Client func(region string) *stsquery.Client

	Duration time.Duration // as in Provider; 0: 1 hour

	mu     sync.Mutex
	region string
	client *stsquery.Client // for region
}

// Retrieve assumes the role. It is [stschain.ErrUnavailable] if no token file is
// named: AWS_ROLE_ARN alone says nothing, to the AWS SDKs as well, since programs have
// other uses for it. If a token file is named and a role or a region is not, it is an
// error that names the variable: an identity that somebody meant to be used is not
// passed over.
func (f *FromEnv) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	p, err := f.provider()
	if err != nil {
		return stschain.Credentials{}, err
	}
	return p.Retrieve(ctx)
}

// AssumeRoleWithWebIdentity is Retrieve with all that STS answered.
func (f *FromEnv) AssumeRoleWithWebIdentity(ctx context.Context) (*stsquery.AssumeRoleWithWebIdentityOutput, error) {
	p, err := f.provider()
	if err != nil {
		return nil, err
	}
	return p.AssumeRoleWithWebIdentity(ctx)
}

// String returns "webidentity from the environment".
func (f *FromEnv) String() string { return "webidentity from the environment" }

// provider is what the environment asks for now.
func (f *FromEnv) provider() (*Provider, error) {
	if f == nil {
		return nil, permanent.Errorf("webidentity: the FromEnv is nil")
	}
	const fileName, roleName = "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"
	file, roleARN := lookUp(f.LookupEnv, fileName), lookUp(f.LookupEnv, roleName)
	switch {
	case file == "" && roleARN == "":
		return nil, fmt.Errorf("webidentity: %w: %s is not set", stschain.ErrUnavailable, fileName)
	case file == "":
		return nil, fmt.Errorf("webidentity: %w: %s is not set, and %s alone says nothing", stschain.ErrUnavailable, fileName, roleName)
	case roleARN == "":
		return nil, permanent.Errorf("webidentity: %s is not set, though %s is", roleName, fileName)
	}
	client, err := f.clientOf(f.regionNow())
	if err != nil {
		return nil, err
	}
	return &Provider{
		Client:      client,
		RoleARN:     roleARN,
		SessionName: lookUp(f.LookupEnv, "AWS_ROLE_SESSION_NAME"),
		Duration:    f.Duration,
		Token:       f.tokenFile(file),
	}, nil
}

func (f *FromEnv) tokenFile(path string) func(context.Context) (stschain.Secret, error) {
	if f.Open == nil {
		return TokenFile(path)
	}
	return tokenFile(path, func() (fs.File, error) { return f.Open(path) })
}

func (f *FromEnv) regionNow() string {
	if region := lookUp(f.LookupEnv, "AWS_REGION"); region != "" {
		return region
	}
	return lookUp(f.LookupEnv, "AWS_DEFAULT_REGION")
}

// clientOf is the client for a region, kept as long as that stays the same.
func (f *FromEnv) clientOf(region string) (*stsquery.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.client != nil && f.region == region:
	case f.Client != nil:
		f.client, f.region = f.Client(region), region
	case region == "":
		return nil, permanent.Errorf("webidentity: AWS_REGION is not set, nor AWS_DEFAULT_REGION, and STS is asked in a region")
	default:
		f.client, f.region = &stsquery.Client{Region: region}, region
	}
	return f.client, nil
}
