package webidentity

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
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

// Retrieve assumes the role. If AWS_WEB_IDENTITY_TOKEN_FILE is not set, it returns an
// [stschain.Unavailable] error: AWS_ROLE_ARN alone configures nothing, as in the AWS SDKs,
// since programs have other uses for it. If the file is set and the role or the region is
// not, it returns an [stschain.ErrPermanent] that names the variable.
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
		return nil, stschain.Permanent(errors.New("webidentity: the FromEnv is nil"))
	}
	const fileName, roleName = "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"
	file, roleARN := lookUp(f.LookupEnv, fileName), lookUp(f.LookupEnv, roleName)
	switch {
	case file == "" && roleARN == "":
		return nil, stschain.Unavailable("webidentity: %s is not set", fileName)
	case file == "":
		return nil, stschain.Unavailable("webidentity: %s is not set, and %s alone configures nothing", fileName, roleName)
	case roleARN == "":
		return nil, stschain.Permanent(fmt.Errorf("webidentity: %s is not set, though %s is", roleName, fileName))
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
		return nil, stschain.Permanent(errors.New("webidentity: AWS_REGION is not set, nor AWS_DEFAULT_REGION, and STS is asked in a region"))
	default:
		f.client, f.region = &stsquery.Client{Region: region}, region
	}
	return f.client, nil
}
