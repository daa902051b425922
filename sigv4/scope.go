package sigv4

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/stschain-go/stschain/internal/signature"
)

// scope is what a signature is valid for, except for its date, and the rules
// that the service has.
type scope struct {
	service, region string
	rules
}

// rules are what a service does differently. The zero value is what most do.
type rules struct {
	s3              bool // the path is signed as it is sent, and "%2F" in it is a slash
	contentHash     bool // X-Amz-Content-Sha256 is required
	noChunks        bool // a body needs a Content-Length
	unsignedPayload bool // the payload is never part of the signature
	tokenAfter      bool // presigned URLs get their session token after the signature
}

var services = map[string]rules{
	"s3":               {s3: true, contentHash: true, noChunks: true},
	"s3-object-lambda": {s3: true, contentHash: true, noChunks: true},
	"s3-outposts":      {s3: true, contentHash: true, noChunks: true},
	"aoss":             {contentHash: true},
	"iotdevicegateway": {tokenAfter: true},
	// https://docs.aws.amazon.com/vpc-lattice/latest/ug/sigv4-authenticated-requests.html
	"vpc-lattice-svcs": {contentHash: true, unsignedPayload: true},
}

func newScope(service, region string) (scope, error) {
	switch {
	case service == "":
		return scope{}, errors.New("sigv4: Service is missing")
	case region == "":
		return scope{}, errors.New("sigv4: Region is missing")
	case !isName(service):
		return scope{}, fmt.Errorf("sigv4: Service %q is not a valid signing name: it must consist of letters, digits, '-', '_' and '.'", service)
	case !isName(region):
		return scope{}, fmt.Errorf("sigv4: Region %q is not a valid region name: it must consist of letters, digits, '-', '_' and '.'", region)
	case service == "s3express":
		return scope{}, errors.New("sigv4: service s3express signs with session credentials of its own, which this package does not create")
	}
	return scope{service, region, services[service]}, nil
}

// isName accepts what S3-compatible servers use as a region ("eu_west_1",
// "us.east"), too. A name is only a part of the signature's scope, where a slash
// would shift the other parts; it does not have to be a host label.
func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '~' || !signature.IsUnreserved(s[i]) {
			return false
		}
	}
	return s != ""
}

// scopeOf returns what req is signed for.
func (t *Transport) scopeOf(req *http.Request) (scope, error) {
	if t.Scope == nil {
		return newScope(t.Service, t.Region)
	}
	service, region, err := t.Scope(req)
	switch {
	case err != nil:
		return scope{}, fmt.Errorf("sigv4: no service and region for host %q: %w", req.URL.Host, err)
	case service == "" || region == "":
		return scope{}, fmt.Errorf("sigv4: Scope returned service %q and region %q for host %q; both are required", service, region, req.URL.Host)
	}
	return newScope(service, region)
}
