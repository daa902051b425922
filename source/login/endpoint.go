package login

import (
	"errors"
	"net/url"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// tokenURL is where refresh tokens are redeemed, by the operation CreateOAuth2Token.
func (p *Provider) tokenURL() (*url.URL, error) {
	region := strings.ToLower(p.Region)
	switch {
	case p.Endpoint != "":
	case region == "":
		return nil, stschain.Permanent(errors.New("Region is missing, which selects the sign-in service: set region in the profile, or AWS_REGION"))
	case !wire.IsLabel(region):
		return nil, stschain.Permanent(errors.New("Region is not a valid region: letters, digits and hyphens are allowed, such as eu-west-1"))
	}
	u, err := wire.Base(p.Endpoint, p.AllowHTTP, p.FIPS || p.DualStack, wire.SignInHost(region, p.FIPS, p.DualStack))
	if err != nil {
		return nil, stschain.Permanent(err)
	}
	return u.JoinPath("v1", "token"), nil
}
