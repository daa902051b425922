package stsquery

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/stschain-go/stschain/internal/outbound"
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
	if region != "" && !isHostLabel(region) {
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
		if part.value != "" && !isHostLabel(part.value) {
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
		return nil, invalid("Client.FIPS and Client.Endpoint are both set (Invalid Configuration: FIPS and custom endpoint are not supported): give the endpoint that is FIPS itself")
	case c.Endpoint != "" && c.DualStack:
		return nil, invalid("Client.DualStack and Client.Endpoint are both set (Invalid Configuration: Dualstack and custom endpoint are not supported): give the endpoint that is dual-stack itself")
	case c.Endpoint == "" && region == "":
		return nil, invalid("Client.Region is missing (Invalid Configuration: Missing Region), which also names the endpoint: set it, or set Client.Endpoint and Client.SigningRegion")
	}
	e := &endpoint{signingName: "sts", signingRegion: region}
	if region == "aws-global" {
		e.signingRegion = "us-east-1"
	}
	if c.Endpoint != "" {
		u, err := parseEndpoint(c.Endpoint, c.AllowHTTP)
		if err != nil {
			return nil, err
		}
		e.url, e.aws = *u, isAWS(u.Hostname())
		return e, nil
	}
	e.url.Scheme, e.url.Path, e.aws = "https", "/", true
	global := region == "aws-global" || c.Global && slices.Contains(oldRegions, region)
	if global && !c.FIPS && !c.DualStack {
		e.url.Host, e.signingRegion = globalHost, "us-east-1"
		return e, nil
	}
	e.url.Host = partitionOf(region).host(region, c.FIPS, c.DualStack)
	return e, nil
}

// parseEndpoint reads a Client.Endpoint. Its errors show no more of it than the
// host, since people put passwords into URLs.
func parseEndpoint(s string, allowHTTP bool) (*url.URL, error) {
	if scheme, _, ok := strings.Cut(s, "://"); !ok || strings.ContainsAny(scheme, "/?#@:") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, invalidf("Client.Endpoint is no URL; it should look like https://sts.example.com:8443/path")
	}
	host, port := u.Hostname(), u.Port()
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, invalidf("Client.Endpoint has the scheme %s; only https and http are spoken", quote(u.Scheme))
	case u.User != nil:
		return nil, invalidf("Client.Endpoint holds a user name or password; requests are signed with Client.Credentials instead")
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		return nil, invalidf("Client.Endpoint has a fragment (#), which no server would see")
	case !isHost(host):
		return nil, invalidf("Client.Endpoint has the host %s, which is no host name or IP address", quote(host))
	case !isPort(port) || strings.HasSuffix(u.Host, ":"):
		return nil, invalidf("Client.Endpoint has the port %s; 1 to 65535 are allowed", quote(port))
	case u.Scheme == "http" && !allowHTTP && !outbound.Loopback(host):
		return nil, invalidf("Client.Endpoint is plain http to %s, where everybody on the way reads the credentials that come back: use https, or set Client.AllowHTTP", quote(host))
	}
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// isHostLabel: letters, digits and inner hyphens, at most 63 (RFC 1123, 2.1).
func isHostLabel(s string) bool {
	return s != "" && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-' &&
		strings.IndexFunc(s, func(r rune) bool { return !isLetter(r) && !isDigit(r) && r != '-' }) < 0
}

// isHost: an IP address, or labels, in which servers at home use underscores.
func isHost(s string) bool {
	if ip, err := netip.ParseAddr(s); err == nil {
		zone := ip.Zone() // the name of an interface
		return zone == "" || isHost(zone)
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if !isHostLabel(strings.ReplaceAll(label, "_", "x")) {
			return false
		}
	}
	return len(s) <= 254
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}
