package federation

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/stschain-go/stschain/internal/wire"
)

// endpoint returns where sign-in tokens are requested and redeemed.
func (s *SignIn) endpoint() (*url.URL, error) {
	if s.Endpoint != "" {
		return parseEndpoint(s.Endpoint)
	}
	partition, host := wire.SignInDomain(s.Region)
	switch {
	case s.Region != "" && (s.Regional || partition == "aws-eusc"): // this partition has no other hosts
		host = s.Region + "." + host
	case s.Regional:
		return nil, errors.New("Region is missing, and Regional is set")
	}
	return &url.URL{Scheme: "https", Host: host, Path: "/federation"}, nil
}

func parseEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil, !wire.IsHost(u.Hostname()), u.User != nil, u.Scheme != "https" && !(u.Scheme == "http" && wire.IsLoopback(u.Hostname())):
		return nil, errors.New("Endpoint is not the URL of a sign-in endpoint, such as https://signin.aws.amazon.com/federation; plain http is for loopback only")
	case u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return nil, errors.New("Endpoint has a query or a fragment, which would conflict with the parameters")
	}
	return u, nil
}

// destination returns the page to show after signing in.
func (s *SignIn) destination() (string, error) {
	page, err := url.Parse(s.Destination)
	switch {
	case err != nil, page.User != nil, page.Scheme == "" && page.Host != "":
		return "", errors.New("Destination is neither an https URL of the console nor a path on it, such as /s3/buckets")
	case page.Scheme == "https" && page.Host != "":
		return page.String(), nil
	case page.Scheme != "":
		return "", fmt.Errorf("Destination has the scheme %q, and the console has https only", page.Scheme)
	}
	partition, host := wire.SignInDomain(s.Region)
	if strings.HasPrefix(partition, "aws-iso") {
		return "", fmt.Errorf("Destination must be a complete https URL: the host of the console of the partition %s is unknown", partition)
	}
	home := &url.URL{Scheme: "https", Host: strings.Replace(host, "signin", "console", 1), Path: "/"}
	path := &url.URL{Path: "console/home"}
	if s.Region != "" {
		home.Host = s.Region + "." + home.Host
		path.RawQuery = "region=" + s.Region
	}
	if s.Destination != "" {
		path = page
	}
	return home.ResolveReference(path).String(), nil
}
