package federation

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// endpoint is where sign-in tokens are got and redeemed.
func (s *SignIn) endpoint() (*url.URL, error) {
	if s.Endpoint != "" {
		return parseEndpoint(s.Endpoint)
	}
	c := wire.ConsoleOf(s.Region)
	host := c.SignIn
	switch {
	case s.Region != "" && (s.Regional || c.Regional):
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
	c := wire.ConsoleOf(s.Region)
	if c.Home == "" {
		return "", stschain.Permanent(fmt.Errorf("Destination is missing, as a whole https URL: where the console of the partition %s is, is not known here", c.Partition))
	}
	home := &url.URL{Scheme: "https", Host: c.Home, Path: "/"}
	if s.Region != "" {
		home.Host = s.Region + "." + c.Home
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
