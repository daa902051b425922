package login

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// tokenURL is where refresh tokens are redeemed: of the operation CreateOAuth2Token.
func (p *Provider) tokenURL() (*url.URL, error) {
	to := &url.URL{Scheme: "https"}
	region := strings.ToLower(p.Region)
	switch {
	case p.Endpoint != "" && (p.FIPS || p.DualStack):
		return nil, stschain.Permanent(errors.New("Endpoint is set beside FIPS or DualStack: give the endpoint that is FIPS or dual-stack itself"))
	case p.Endpoint != "":
		given, err := wire.ParseURL(p.Endpoint, p.AllowHTTP)
		if err != nil {
			return nil, stschain.Permanent(fmt.Errorf("Endpoint %v", err))
		}
		if given.RawQuery != "" || given.ForceQuery {
			return nil, stschain.Permanent(errors.New("Endpoint has a query, which the service would not expect"))
		}
		to = given
	case region == "":
		return nil, stschain.Permanent(errors.New("Region is missing, which says where to refresh them: set region in the profile, or AWS_REGION"))
	case !wire.IsLabel(region):
		return nil, stschain.Permanent(errors.New("Region is no region: letters, digits and hyphens are allowed, such as eu-west-1"))
	default:
		to.Host = wire.SignInHost(region, p.FIPS, p.DualStack)
	}
	return to.JoinPath("v1", "token"), nil
}
