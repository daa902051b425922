package sigv4

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/stschain-go/stschain/internal/signature"
)

// Scope is what a signature is valid for, in addition to its date.
type Scope struct {
	Service string // required: the signing name, such as "s3"
	Region  string // required without RegionSet: a name, such as "eu-west-1"

	RegionSet RegionSet // as in Signer; nil: Signature Version 4

	// S3Session declares that the credentials are a session of S3 Express, whose token is sent as
	// X-Amz-S3session-Token. It is for the service s3express; grants/s3express creates such sessions.
	S3Session bool
}

// service is a valid Scope with the rules of its service.
type service struct {
	_ [0]func() // nothing compares it, so no code for that is needed
	Scope
	rules
}

// rules describe how a service differs from most others, which have the zero value.
type rules struct {
	s3              bool // the path is signed as it is sent, and "%2F" in it is a slash
	contentHash     bool // X-Amz-Content-Sha256 is required
	noChunks        bool // a body needs a Content-Length
	unsignedPayload bool // the payload is never part of the signature
	tokenAfter      bool // presigned URLs get their session token after the signature
	oneRegion       bool // SigV4a is not supported
}

func rulesOf(service string) rules {
	switch service {
	case "s3", "s3-object-lambda", "s3-outposts":
		return rules{s3: true, contentHash: true, noChunks: true}
	case "s3express":
		return rules{s3: true, contentHash: true, noChunks: true, oneRegion: true}
	case "aoss":
		return rules{contentHash: true, oneRegion: true}
	case "iotdevicegateway":
		return rules{tokenAfter: true, oneRegion: true}
	case "elasticache", "kafka-cluster", "memorydb", "rds-db":
		return rules{oneRegion: true}
	case "vpc-lattice-svcs": // https://docs.aws.amazon.com/vpc-lattice/latest/ug/sigv4-authenticated-requests.html
		return rules{contentHash: true, unsignedPayload: true}
	}
	return rules{}
}

// check returns the service that s names.
func (s Scope) check() (service, error) {
	switch {
	case s.Service == "":
		return service{}, errors.New("sigv4: Service is missing")
	case s.Region == "" && s.RegionSet == nil:
		return service{}, errors.New("sigv4: Region is missing")
	case !isName(s.Service):
		return service{}, fmt.Errorf("sigv4: Service %q is not a valid signing name: it must consist of letters, digits, '-', '_' and '.'", s.Service)
	case !isName(s.Region):
		return service{}, fmt.Errorf("sigv4: Region %q is not a valid region name: it must consist of letters, digits, '-', '_' and '.'", s.Region)
	case s.S3Session && s.Service != "s3express":
		return service{}, fmt.Errorf("sigv4: S3Session is set for service %q; only s3express has such sessions", s.Service)
	}
	to := service{Scope: s, rules: rulesOf(s.Service)}
	if s.RegionSet != nil {
		return to, s.RegionSet.check(s.Service, s.Region, to.oneRegion)
	}
	return to, nil
}

// place is for errors: " in eu-west-1". The regions of a region set do not matter there.
func (to service) place() string {
	if to.RegionSet != nil {
		return ""
	}
	return " in " + to.Region
}

// isName accepts what S3-compatible servers use as a region ("eu_west_1",
// "us.east"), too. A name is only a part of the signature's scope, where a slash
// would shift the other parts; it does not have to be a host label.
func isName(s string) bool { return signature.IsEscaped(s, "") && !strings.Contains(s, "~") }

// scope returns what req is signed for.
func (t *Transport) scope(req *http.Request) (service, error) {
	if t.Scope == nil {
		return t.signer.to, t.signer.invalid
	}
	s, err := t.Scope(req)
	switch {
	case err != nil:
		return service{}, fmt.Errorf("sigv4: no scope for host %q: %w", req.URL.Host, err)
	case s.Service == "" || s.Region == "" && s.RegionSet == nil:
		return service{}, fmt.Errorf("sigv4: Scope returned service %q and region %q for host %q; both are required", s.Service, s.Region, req.URL.Host)
	}
	return s.check()
}
