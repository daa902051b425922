// Package imds gets the credentials of an EC2 instance's role from its metadata service.
//
// The environment is read each time:
//
//	AWS_EC2_METADATA_DISABLED               true: the service is not used
//	AWS_EC2_METADATA_SERVICE_ENDPOINT       its URL, if not the default
//	AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE  IPv4 (http://169.254.169.254) or IPv6 (http://[fd00:ec2::254])
//	AWS_EC2_METADATA_V1_DISABLED            true: only version 2 is used
//	AWS_METADATA_SERVICE_TIMEOUT            of one attempt, in seconds
//	AWS_METADATA_SERVICE_NUM_ATTEMPTS       how many attempts to make
//
// Version 2 is used: requests carry a session token. It is kept for 6 hours, or as long as the
// service says, and refreshed from 2 minutes before it expires (a short-lived one after a quarter of its
// lifetime). Until it expires it is used even if its refresh fails. If there is no token, the error of a
// failed attempt to get one is returned for up to a second, or 5 s if it is permanent.
//
// Version 1, without a token, is used if the service does not know version 2 (404, 405), or was
// reached and did not respond in time, as in a container when the instance's hop limit is 1. It is
// not used if the service refuses (403), as a forwarding proxy does to protect it.
//
// Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
package imds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/wire"
)

// Provider calls the metadata service. The zero Provider is ready for use. It caches the session token; do not copy it.
type Provider struct {
	// Endpoint is the URL of the service. "": AWS_EC2_METADATA_SERVICE_ENDPOINT, then by EndpointMode.
	Endpoint string

	// EndpointMode is IPv4 or IPv6, in any case. "": AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE, then
	// IPv4. An endpoint takes precedence over it.
	EndpointMode string

	DisableV1      bool          // version 1 is not used; false: by AWS_EC2_METADATA_V1_DISABLED
	AttemptTimeout time.Duration // of one attempt; 0: AWS_METADATA_SERVICE_TIMEOUT, or 1 s

	// MaxAttempts is the number of attempts. 0: AWS_METADATA_SERVICE_NUM_ATTEMPTS, or 3 while the
	// service returns 429 or 5xx or closes the connection, and 1 to find out whether it exists.
	MaxAttempts int

	LookupEnv func(name string) (value string, ok bool) // nil: os.LookupEnv

	// HTTPClient is used without its proxies and cookies, and follows no redirect. nil: one
	// with bounded times.
	HTTPClient *http.Client

	Clock stschain.Clock // for the expiry of the session token; nil: the system clock

	tokens sync.Map // of *wire.TokenCache[*sessionToken] by place
	once   sync.Once
	client *http.Client
}

const (
	rolePath   = "/latest/meta-data/iam/security-credentials/"
	regionPath = "/latest/meta-data/placement/region"
)

// Retrieve returns the credentials of the instance's role.
//
// It returns an [stschain.Unavailable] error if the environment disables the service, and at the default
// endpoint if there is no response, which takes about a second, or if the instance has no role. At a
// configured endpoint these are failures, as is every other response anywhere: 403, 5xx, HTML.
// Credentials are returned as the service sends them, even if they have expired: a [stschain.Cache] handles that.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return get(ctx, p, (*service).credentials)
}

// Region returns the region that the instance runs in. Its errors are those of Retrieve.
func (p *Provider) Region(ctx context.Context) (string, error) { return get(ctx, p, (*service).region) }

// get calls the service and adds the name of the package to its error. An
// Unavailable error already has it, and must not be wrapped.
func get[T any](ctx context.Context, p *Provider, from func(*service, context.Context) (T, error)) (T, error) {
	var none T
	s, err := p.service()
	if err == nil {
		var got T
		if got, err = from(s, ctx); err == nil {
			return got, nil
		}
	}
	if stschain.IsUnavailable(err) {
		return none, err
	}
	return none, fmt.Errorf("imds: %w", err)
}

// Identity returns an error: another instance may have another role.
func (*Provider) Identity(context.Context) (stschain.Identity, error) {
	return stschain.Identity{}, stschain.Permanent(errors.New("imds has no identity: another instance may have another role. Do not share its credentials: each process can retrieve its own, or use webidentity"))
}

// String returns "imds".
func (p *Provider) String() string { return "imds" }

func (s *service) region(ctx context.Context) (string, error) {
	body, err := s.get(ctx, regionPath)
	if err != nil {
		return "", err
	}
	region := strings.TrimSpace(string(body))
	if region == "" || len(region) > 63 || strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "", fmt.Errorf("%s%s did not return a region", s.endpoint, regionPath)
	}
	return region, nil
}

// credentials gets the name of the role and then its credentials. The role may be replaced between them.
func (s *service) credentials(ctx context.Context) (stschain.Credentials, error) {
	for again := true; ; again = false {
		role, err := s.role(ctx)
		if err != nil {
			return stschain.Credentials{}, err
		}
		body, err := s.get(ctx, rolePath+role)
		switch {
		case again && s.isMissing(rolePath+role, err):
			continue
		case err != nil:
			return stschain.Credentials{}, err
		}
		creds, err := read(body, "imds "+role, s.token)
		if err != nil {
			return stschain.Credentials{}, fmt.Errorf("%s%s%s: %w", s.endpoint, rolePath, role, err)
		}
		return creds, nil
	}
}

// role returns the name of the instance's role.
func (s *service) role(ctx context.Context) (string, error) {
	body, err := s.get(ctx, rolePath)
	if err == nil && len(bytes.TrimSpace(body)) == 0 {
		err = s.refused(rolePath, http.StatusNotFound) // some compatible services return an empty body
	}
	if s.isMissing(rolePath, err) {
		if !s.configured {
			return "", stschain.Unavailable("imds: the instance has no role (%w)", err)
		}
		return "", fmt.Errorf("the instance has no role: %w", err)
	}
	if err != nil {
		return "", err
	}
	role, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	role = strings.TrimSpace(role)
	if len(role) > 128 || !wire.ConsistsOf(role, "_+=,.@-") { // the names that IAM allows
		return "", fmt.Errorf("%s%s did not return the name of a role", s.endpoint, rolePath)
	}
	return role, nil
}

// isMissing reports whether err says that the service does not have this document.
func (s *service) isMissing(path string, err error) bool {
	status, ok := errors.AsType[*statusError](err)
	return ok && status.code == http.StatusNotFound && status.url == s.endpoint+path
}

// read returns the credentials in a document of the service.
func read(body []byte, origin string, token stschain.Secret) (stschain.Credentials, error) {
	doc, err := credjson.Parse(body, "Token")
	switch {
	case err != nil:
		return stschain.Credentials{}, fmt.Errorf("invalid response: %w", err)
	case doc.Code != "" && !strings.EqualFold(doc.Code, "Success"): // compatible services omit it
		return stschain.Credentials{}, fmt.Errorf("returned %s", doc.Refusal(token))
	}
	creds, err := doc.Credentials(origin)
	if err != nil {
		return stschain.Credentials{}, fmt.Errorf("invalid response: %w", err)
	}
	return creds, nil
}
