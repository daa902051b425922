package stsquery

import (
	"cmp"
	"net/url"
	"slices"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
)

// endpoint is the URL of requests and the scope of their signatures.
type endpoint struct {
	_ [0]func() // nothing compares it, so no code for that is needed

	url           url.URL
	signingRegion string
	signingName   string
	regionSet     sigv4.RegionSet
	aws           bool // the limits of AWS apply
	signer        *sigv4.Signer
}

const globalHost = "sts.amazonaws.com"

// oldRegions are those that the AWS SDKs used to send to the global endpoint.
var oldRegions = []string{
	"ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1",
	"eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
}

// resolve returns the endpoint of a region; "" is the client's own.
func (c *Client) resolve(region string) (*endpoint, error) {
	signingRegion := c.SigningRegion
	if region != "" {
		signingRegion = ""
	}
	region = cmp.Or(region, c.Region)
	if region != "" && !wire.IsLabel(region) {
		return nil, invalidf("Region is %s, not a valid region: letters, digits and hyphens are allowed, such as eu-west-1", quote(region))
	}
	e, err := c.locate(region)
	if err != nil {
		return nil, err
	}
	e.regionSet = c.SigningRegionSet
	e.signingName, e.signingRegion = cmp.Or(c.SigningName, "sts"), cmp.Or(signingRegion, e.signingRegion)
	for _, part := range []struct{ field, value string }{
		{"SigningName", e.signingName}, {"SigningRegion", e.signingRegion},
	} {
		if part.value != "" && !wire.IsLabel(part.value) {
			return nil, invalidf("Client.%s is %s; letters, digits and hyphens are allowed", part.field, quote(part.value))
		}
	}
	e.signer = newSigner(e)
	return e, nil
}

// newSigner makes a signer of all headers of a request.
func newSigner(e *endpoint) *sigv4.Signer {
	return &sigv4.Signer{Service: e.signingName, Region: e.signingRegion, RegionSet: e.regionSet, SignedHeaders: []string{"*"}}
}

// Server returns the identity of the server that the client calls, for [stschain.NewIdentity] of a flow: the URL,
// whichever settings select it, its partition, and the scope of signatures, with the region set if there is one. It does not contain the Credentials.
func (c *Client) Server() (stschain.Identity, error) {
	c.setUp()
	if c.homeErr != nil {
		return stschain.Identity{}, c.homeErr
	}
	e := c.home
	partition, _ := wire.SignInDomain(e.signingRegion)
	fields := []string{
		"url=" + wire.Server(&e.url),
		"query=" + stschain.NewSecret(e.url.RawQuery).Fingerprint(),
		"region=" + e.signingRegion,
		"name=" + e.signingName,
		"partition=" + partition,
	}
	if e.regionSet != nil {
		fields = append(fields, "regions="+cmp.Or(e.regionSet.String(), e.signingRegion))
	}
	return stschain.NewIdentity("sts", fields...), nil
}

// locate applies the endpoint rules of AWS. Its errors quote those of the SDKs, so that a search finds them.
func (c *Client) locate(region string) (*endpoint, error) {
	switch {
	case c.Endpoint != "" && c.FIPS:
		return nil, invalidf("Client.FIPS and Client.Endpoint are both set (Invalid Configuration: FIPS and custom endpoint are not supported): set Endpoint to the FIPS endpoint")
	case c.Endpoint != "" && c.DualStack:
		return nil, invalidf("Client.DualStack and Client.Endpoint are both set (Invalid Configuration: Dualstack and custom endpoint are not supported): set Endpoint to the dual-stack endpoint")
	case c.Endpoint == "" && region == "":
		return nil, invalidf("Client.Region is missing (Invalid Configuration: Missing Region), which also selects the endpoint: set it, or set Client.Endpoint and Client.SigningRegion")
	}
	e := &endpoint{signingRegion: region}
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
	e.url, e.aws = url.URL{Scheme: "https", Host: wire.ServiceHost("sts", region, c.FIPS, c.DualStack), Path: "/"}, true
	global := region == "aws-global" || c.Global && slices.Contains(oldRegions, region)
	if global && !c.FIPS && !c.DualStack {
		e.url.Host, e.signingRegion = globalHost, "us-east-1"
	}
	return e, nil
}
