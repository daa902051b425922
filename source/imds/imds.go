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
// service says, and refreshed from 2 minutes before it expires (a short one when a quarter of its
// life is over). Until it expires it is used even if that fails. Without a token, the error of a
// failed attempt to get one is returned for up to a second, or 5 s if it is permanent.
//
// Version 1, without a token, is used if the service does not know version 2 (404, 405), or was
// reached and did not respond in time, as in a container when the instance's hop limit is 1. It is
// not used if the service refuses (403): a forwarding proxy does that to keep others out.
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
)

// Provider calls the metadata service. The zero Provider is ready for use. It keeps the session
// token, so it is not copied.
type Provider struct {
	// Endpoint is where the service is. "": AWS_EC2_METADATA_SERVICE_ENDPOINT, then
	// ProfileEndpoint, then by EndpointMode.
	Endpoint string

	// EndpointMode is IPv4 or IPv6, in any case. "": AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE, then
	// ProfileEndpointMode, then IPv4. It does not count where an endpoint is given.
	EndpointMode string

	ProfileEndpoint     string // ec2_metadata_service_endpoint of a profile; "": none
	ProfileEndpointMode string // ec2_metadata_service_endpoint_mode of a profile; "": none

	DisableV1      bool          // version 1 is not spoken; false: AWS_EC2_METADATA_V1_DISABLED says
	AttemptTimeout time.Duration // on one try; 0: AWS_METADATA_SERVICE_TIMEOUT, or 1 s

	// Attempts is how often to try. 0: AWS_METADATA_SERVICE_NUM_ATTEMPTS, or 3 while the
	// service answers 429 or 5xx or breaks off, and 1 for finding out whether it is there.
	MaxAttempts int

	LookupEnv func(name string) (value string, ok bool) // nil: os.LookupEnv

	// HTTPClient is used without its proxies and cookies, and follows no redirect. nil: one
	// with bounded times.
	HTTPClient *http.Client

	Clock stschain.Clock // for the life of the session token; nil: the real one

	tokens sync.Map // of *agent.TokenCache[sessionToken] by place
	once   sync.Once
	client *http.Client
}

const (
	rolePath   = "/latest/meta-data/iam/security-credentials/"
	regionPath = "/latest/meta-data/placement/region"
)

// Retrieve returns the credentials of the instance's role.
//
// It returns an [stschain.Unavailable] error if the environment switches the service off,
// and at the default endpoint if there is no response, which takes about a second, or if the
// instance has no role. At a configured endpoint these are failures, as is every other
// response anywhere: 403, 5xx, HTML. Credentials are returned as the service sends them,
// even if they have expired: a [stschain.Cache] decides about that.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	if p == nil {
		return stschain.Credentials{}, stschain.Permanent(errors.New("imds: the Provider is nil"))
	}
	s, err := p.service()
	if err != nil {
		return stschain.Credentials{}, prefixed(err)
	}
	creds, err := s.credentials(ctx)
	if err != nil {
		return stschain.Credentials{}, prefixed(err)
	}
	return creds, nil
}

// Region returns the region that the instance runs in. Its errors are those of Retrieve.
func (p *Provider) Region(ctx context.Context) (string, error) {
	if p == nil {
		return "", stschain.Permanent(errors.New("imds: the Provider is nil"))
	}
	s, err := p.service()
	if err != nil {
		return "", prefixed(err)
	}
	body, err := s.get(ctx, regionPath)
	if err != nil {
		return "", prefixed(err)
	}
	region := strings.TrimSpace(string(body))
	if region == "" || len(region) > 63 || strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "", fmt.Errorf("imds: %s%s answered with something else than a region", s.endpoint, regionPath)
	}
	return region, nil
}

// prefixed adds the name of the package. An Unavailable error has it already, and must not
// be wrapped.
func prefixed(err error) error {
	if stschain.IsUnavailable(err) {
		return err
	}
	return fmt.Errorf("imds: %w", err)
}

// String returns "imds".
func (p *Provider) String() string { return "imds" }

// credentials asks for the role and then for its credentials. Between the two the role
// may be exchanged.
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

// role is the name of the instance's role.
func (s *service) role(ctx context.Context) (string, error) {
	body, err := s.get(ctx, rolePath)
	if err == nil && len(bytes.TrimSpace(body)) == 0 {
		err = s.refused(rolePath, http.StatusNotFound) // as some compatible services say it
	}
	if s.isMissing(rolePath, err) {
		if !s.named {
			return "", stschain.Unavailable("imds: the instance has no role (%w)", err)
		}
		return "", fmt.Errorf("the instance has no role: %w", err)
	}
	if err != nil {
		return "", err
	}
	role, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	role = strings.TrimSpace(role)
	if len(role) > 128 || strings.ContainsFunc(role, notInRoles) {
		return "", fmt.Errorf("%s%s answered with something else than the name of a role", s.endpoint, rolePath)
	}
	return role, nil
}

// isMissing reports whether err says that the service does not have this document.
func (s *service) isMissing(path string, err error) bool {
	status, ok := errors.AsType[*statusError](err)
	return ok && status.code == http.StatusNotFound && status.url == s.endpoint+path
}

// notInRoles are the characters that IAM does not take in the name of a role.
func notInRoles(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_+=,.@-", r)
}

// read is what the service says of a role.
func read(body []byte, source string, token stschain.Secret) (stschain.Credentials, error) {
	doc, err := credjson.Parse(body, "Token")
	switch {
	case err != nil:
		return stschain.Credentials{}, fmt.Errorf("its answer cannot be used: %w", err)
	case doc.Code != "" && !strings.EqualFold(doc.Code, "Success"): // compatible services leave it out
		return stschain.Credentials{}, fmt.Errorf("answered %s", doc.Refusal(token))
	}
	creds, err := doc.Credentials(source)
	if err != nil {
		return stschain.Credentials{}, fmt.Errorf("its answer cannot be used: %w", err)
	}
	return creds, nil
}
