package sigv4

import (
	"errors"
	"fmt"
	"net/http"
)

// scope is what a signature is good for, but for its date.
type scope struct{ service, region string }

func (sc scope) check() error {
	switch {
	case sc.service == "":
		return errors.New("sigv4: Service is missing")
	case sc.region == "":
		return errors.New("sigv4: Region is missing")
	case !isHostLabel(sc.service):
		return fmt.Errorf("sigv4: Service %q is no signing name: letters, digits and hyphens", sc.service)
	case !isHostLabel(sc.region):
		return fmt.Errorf("sigv4: Region %q is not one host label", sc.region)
	case sc.service == "s3express":
		return errors.New("sigv4: service s3express signs with sessions of its own, which this package does not make")
	}
	return nil
}

// rules are what services do differently.
type rules struct {
	s3          bool
	contentHash bool // the service wants X-Amz-Content-Sha256
}

func (sc scope) rules() rules {
	switch sc.service {
	case "s3", "s3-object-lambda", "s3-outposts":
		return rules{s3: true, contentHash: true}
	case "aoss":
		return rules{contentHash: true}
	}
	return rules{}
}

// scopeOf is what req is signed for.
func (t *Transport) scopeOf(req *http.Request) (scope, error) {
	sc := scope{t.Service, t.Region}
	if t.Scope == nil {
		return sc, sc.check()
	}
	var err error
	sc.service, sc.region, err = t.Scope(req)
	switch {
	case err != nil:
		return scope{}, fmt.Errorf("sigv4: no service and region for host %q: %w", req.URL.Host, err)
	case sc.service == "" || sc.region == "":
		return scope{}, fmt.Errorf("sigv4: Scope gave service %q and region %q for host %q, and both are needed", sc.service, sc.region, req.URL.Host)
	}
	return sc, sc.check()
}
