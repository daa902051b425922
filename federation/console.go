package federation

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// console is where the console of a partition is.
type console struct {
	partition string
	prefix    string // of its regions
	signIn    string // host, in front of which a region can stand
	home      string // the same for the pages themselves; "": not known here
	regional  bool   // there is no sign-in host for the whole partition
}

// consoles are all there are; the first one has the regions that fit no other. The
// hosts of aws, aws-cn, aws-us-gov and aws-eusc are public. Those of the isolated
// partitions are what the AWS SDKs have for signing in; nobody here could try them.
var consoles = [...]console{
	{"aws", "", "signin.aws.amazon.com", "console.aws.amazon.com", false},
	{"aws-cn", "cn-", "signin.amazonaws.cn", "console.amazonaws.cn", false},
	{"aws-us-gov", "us-gov-", "signin.amazonaws-us-gov.com", "console.amazonaws-us-gov.com", false},
	{"aws-eusc", "eusc-", "signin.amazonaws-eusc.eu", "console.amazonaws-eusc.eu", true},
	{"aws-iso", "us-iso-", "signin.c2shome.ic.gov", "", false},
	{"aws-iso-b", "us-isob-", "signin.sc2shome.sgov.gov", "", false},
	{"aws-iso-e", "eu-isoe-", "signin.csphome.adc-e.uk", "", false},
	{"aws-iso-f", "us-isof-", "signin.csphome.hci.ic.gov", "", false},
}

func consoleOf(region string) console {
	for _, c := range consoles[1:] {
		if strings.HasPrefix(region, c.prefix) {
			return c
		}
	}
	return consoles[0]
}

// endpoint is where sign-in tokens are got and redeemed.
func (s *SignIn) endpoint() (*url.URL, error) {
	if s.Endpoint != "" {
		return parseEndpoint(s.Endpoint)
	}
	c := consoleOf(s.Region)
	host := c.signIn
	switch {
	case s.Region != "" && (s.Regional || c.regional):
		host = s.Region + "." + host
	case s.Regional:
		return nil, stschain.Permanent(errors.New("Region is missing, and Regional is set"))
	}
	return &url.URL{Scheme: "https", Host: host, Path: "/federation"}, nil
}

func parseEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil, !wire.IsHost(u.Hostname()), u.User != nil, u.Scheme != "https" && !(u.Scheme == "http" && wire.IsLoopback(u.Hostname())):
		return nil, stschain.Permanent(errors.New("Endpoint is no URL of a sign-in endpoint, such as https://signin.aws.amazon.com/federation; plain http is for loopback only"))
	case u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return nil, stschain.Permanent(errors.New("Endpoint has a query or a fragment, which the parameters would be mixed up with"))
	}
	return u, nil
}

// destination is the page to show after signing in.
func (s *SignIn) destination() (string, error) {
	page, err := url.Parse(s.Destination)
	switch {
	case err != nil, page.User != nil, page.Scheme == "" && page.Host != "":
		return "", stschain.Permanent(errors.New("Destination is neither an https URL of the console nor a path on it, such as /s3/buckets"))
	case page.Scheme == "https" && page.Host != "":
		return page.String(), nil
	case page.Scheme != "":
		return "", stschain.Permanent(fmt.Errorf("Destination has the scheme %q, and only https is a page of the console", page.Scheme))
	}
	c := consoleOf(s.Region)
	if c.home == "" {
		return "", stschain.Permanent(fmt.Errorf("Destination is missing, as a whole https URL: where the console of the partition %s is, is not known here", c.partition))
	}
	home := &url.URL{Scheme: "https", Host: c.home, Path: "/"}
	if s.Region != "" {
		home.Host = s.Region + "." + c.home
	}
	if s.Destination != "" {
		return home.ResolveReference(page).String(), nil
	}
	home.Path = "/console/home"
	if s.Region != "" {
		home.RawQuery = "region=" + s.Region
	}
	return home.String(), nil
}
