package profile

import (
	"strings"

	"github.com/stschain-go/stschain/internal/signature"
	"github.com/stschain-go/stschain/sigv4"
)

// regionSet returns the region set that calls of STS are signed for, nil for Signature Version 4, which is the default.
// STS supports both, so the first of them in auth_scheme_preference decides. Names are as botocore reads them: their case
// matters, blanks do not, and unknown ones are ignored.
//
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-auth-scheme.html
func (r *reader) regionSet() sigv4.RegionSet {
	preference := r.value("auth_scheme_preference", "AWS_AUTH_SCHEME_PREFERENCE")
	for scheme := range strings.SplitSeq(strings.NewReplacer(" ", "", "\t", "").Replace(preference.text), ",") {
		switch scheme {
		case "sigv4":
			return nil
		case "sigv4a":
			return sigv4.Regions(r.regions()...)
		}
	}
	return nil
}

// regions returns the regions of a region set. If none are configured, it is the region of the client.
func (r *reader) regions() (names []string) {
	set := r.value("sigv4a_signing_region_set", "AWS_SIGV4A_SIGNING_REGION_SET")
	if set.text == "" {
		return nil
	}
	for name := range strings.SplitSeq(set.text, ",") {
		name = strings.TrimSpace(name)
		if !signature.IsRegion(name) {
			r.fail(set, "%q is not a valid region name: the value must be names separated by commas, such as us-east-1,eu-west-1, or * for all regions", name)
		}
		names = append(names, name)
	}
	return names
}
