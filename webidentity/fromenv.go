package webidentity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/stsquery"
)

// FromEnv assumes the role that these environment variables configure:
//
//	AWS_WEB_IDENTITY_TOKEN_FILE  the token file
//	AWS_ROLE_ARN                 the role
//	AWS_ROLE_SESSION_NAME        the session's name; not set: as in [Provider]
//	AWS_REGION                   the region of the STS endpoint; also AWS_DEFAULT_REGION
//
// Amazon EKS sets them in pods whose service account has a role. They are read
// on each call. A variable that is empty or blank counts as not set. The zero
// FromEnv is ready for use. Do not copy it.
type FromEnv struct {
	LookupEnv func(name string) (value string, ok bool) // nil: os.LookupEnv
	Open      func(path string) (fs.File, error)        // opens the token file; nil: os.Open

	// Client returns the client for a region, which is empty if none is set. It is called once for each region.
	// nil: a client with the region alone.
	Client func(region string) *stsquery.Client

	Duration time.Duration // as in Provider; 0: 1 hour

	mu     sync.Mutex
	region string
	client *stsquery.Client // for region
}

// Retrieve assumes the role. If AWS_WEB_IDENTITY_TOKEN_FILE is not set, it returns an
// [stschain.Unavailable] error: AWS_ROLE_ARN alone configures nothing, as in the AWS SDKs, since programs
// use it for other purposes. If the file is set and the role or the region is not, it returns an
// [stschain.ErrPermanent] that names the variable.
func (f *FromEnv) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	p, err := f.provider()
	if err != nil {
		return stschain.Credentials{}, err
	}
	return p.Retrieve(ctx)
}

// AssumeRoleWithWebIdentity is Retrieve with the complete response of STS.
func (f *FromEnv) AssumeRoleWithWebIdentity(ctx context.Context) (*stsquery.AssumeRoleWithWebIdentityOutput, error) {
	p, err := f.provider()
	if err != nil {
		return nil, err
	}
	return p.AssumeRoleWithWebIdentity(ctx)
}

// Identity returns that of the Provider which the environment configures. It is [stschain.Unavailable] where Retrieve is.
func (f *FromEnv) Identity(ctx context.Context) (stschain.Identity, error) {
	p, err := f.provider()
	if err != nil {
		return stschain.Identity{}, err
	}
	return p.Identity(ctx)
}

// String returns "webidentity from the environment".
func (f *FromEnv) String() string { return "webidentity from the environment" }

func (f *FromEnv) getenv(name string) string { return system.Getenv(f.LookupEnv, name) }

// provider returns the provider that the environment configures at the moment.
func (f *FromEnv) provider() (*Provider, error) {
	const fileName, roleName = "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"
	file, roleARN := f.getenv(fileName), f.getenv(roleName)
	switch {
	case file == "" && roleARN == "":
		return nil, stschain.Unavailable("webidentity: %s is not set", fileName)
	case file == "":
		return nil, stschain.Unavailable("webidentity: %s is not set, and %s alone configures nothing", fileName, roleName)
	case roleARN == "":
		return nil, stschain.Permanent(fmt.Errorf("webidentity: %s is not set, but %s is", roleName, fileName))
	}
	client, err := f.clientOf(cmp.Or(f.getenv("AWS_REGION"), f.getenv("AWS_DEFAULT_REGION")))
	if err != nil {
		return nil, err
	}
	return &Provider{
		Client:      client,
		RoleARN:     roleARN,
		SessionName: f.getenv("AWS_ROLE_SESSION_NAME"),
		Duration:    f.Duration,
		Token:       tokenFile(file, f.Open),
	}, nil
}

// clientOf returns the client for a region, the same one as long as the region does not change.
func (f *FromEnv) clientOf(region string) (*stsquery.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.client != nil && f.region == region:
	case f.Client != nil:
		f.client, f.region = f.Client(region), region
	case region == "":
		return nil, stschain.Permanent(errors.New("webidentity: no region for STS: set AWS_REGION or AWS_DEFAULT_REGION"))
	default:
		f.client, f.region = &stsquery.Client{Region: region}, region
	}
	return f.client, nil
}
