package stsquery

import (
	"net/url"
	"slices"

	"github.com/stschain-go/stschain/internal/wire"
)

// endpoint is where requests go, and what their signature is scoped to.
type endpoint struct {
	url           url.URL
	signingRegion string
	signingName   string
	aws           bool // STS's own limits hold
}

const globalHost = "sts.amazonaws.com"

// oldRegions are those that the AWS SDKs used to send to the global endpoint.
var oldRegions = []string{
	"ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1",
	"eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
}

// resolve finds the endpoint for a region; "" is the client's own.
func (c *Client) resolve(region string) (*endpoint, error) {
	override := region
	if region == "" {
		region = c.Region
	}
	if region != "" && !wire.IsLabel(region) {
		return nil, invalidf("Region is %s, which is no region: letters, digits and hyphens are allowed, such as eu-west-1", quote(region))
	}
	e, err := c.locate(region)
	if err != nil {
		return nil, err
	}
	if c.SigningName != "" {
		e.signingName = c.SigningName
	}
	if c.SigningRegion != "" && override == "" {
		e.signingRegion = c.SigningRegion
	}
	for _, part := range []struct{ field, value string }{
		{"SigningName", e.signingName}, {"SigningRegion", e.signingRegion},
	} {
		if part.value != "" && !wire.IsLabel(part.value) {
			return nil, invalidf("Client.%s is %s; letters, digits and hyphens are allowed", part.field, quote(part.value))
		}
	}
	return e, nil
}

// locate follows the rules for endpoints of AWS, whose error texts are quoted for
// those who search for them.
func (c *Client) locate(region string) (*endpoint, error) {
	switch {
	case c.Endpoint != "" && c.FIPS:
		return nil, invalidf("Client.FIPS and Client.Endpoint are both set (Invalid Configuration: FIPS and custom endpoint are not supported): give the endpoint that is FIPS itself")
	case c.Endpoint != "" && c.DualStack:
		return nil, invalidf("Client.DualStack and Client.Endpoint are both set (Invalid Configuration: Dualstack and custom endpoint are not supported): give the endpoint that is dual-stack itself")
	case c.Endpoint == "" && region == "":
		return nil, invalidf("Client.Region is missing (Invalid Configuration: Missing Region), which also names the endpoint: set it, or set Client.Endpoint and Client.SigningRegion")
	}
	e := &endpoint{signingName: "sts", signingRegion: region}
	if region == "aws-global" {
		e.signingRegion = "us-east-1"
	}
	if c.Endpoint != "" {
		u, err := wire.ParseURL(c.Endpoint, c.AllowHTTP)
		if err != nil {
			return nil, invalidf("Client.Endpoint %v", err)
		}
		e.url, e.aws = *u, wire.IsAWSHost(u.Hostname())
		return e, nil
	}
	e.url.Scheme, e.url.Path, e.aws = "https", "/", true
	global := region == "aws-global" || c.Global && slices.Contains(oldRegions, region)
	if global && !c.FIPS && !c.DualStack {
		e.url.Host, e.signingRegion = globalHost, "us-east-1"
		return e, nil
	}
	e.url.Host = wire.ServiceHost("sts", region, c.FIPS, c.DualStack)
	return e, nil
}
