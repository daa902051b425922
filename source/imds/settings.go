package imds

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

const (
	disabled      = "AWS_EC2_METADATA_DISABLED"
	v1Disabled    = "AWS_EC2_METADATA_V1_DISABLED"
	endpointName  = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
	modeName      = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
	timeoutName   = "AWS_METADATA_SERVICE_TIMEOUT"
	attemptsName  = "AWS_METADATA_SERVICE_NUM_ATTEMPTS"
	ipv4Endpoint  = "http://169.254.169.254"
	ipv6Endpoint  = "http://[fd00:ec2::254]"
	maxAttempts   = 100
	maxTimeout    = 10 * time.Minute
	profilesField = "ec2_metadata_service_endpoint"
)

// place is where the service is.
type place struct {
	endpoint string // without a slash at its end
	named    bool   // it is configured, not the default
}

// service is the settings of one call, and what that learned.
type service struct {
	*Provider
	place
	client   *http.Client
	noV1     bool          // version 1 is not used
	timeout  time.Duration // of one attempt
	attempts int           // while failures are retryable
	probes   int           // while there is no response
	v1       error         // why version 1 is used; nil: it is not, so far

	cache *wire.TokenCache[sessionToken] // of place
	token stschain.Secret                // zero: version 1 is used
}

// service reads the settings.
func (p *Provider) service() (*service, error) {
	s := &service{Provider: p, timeout: p.AttemptTimeout, attempts: p.MaxAttempts}
	off, err := p.flag(disabled)
	switch {
	case err != nil:
		return nil, err
	case off:
		return nil, stschain.Unavailable("imds: %s is true", disabled)
	}
	if s.noV1, err = p.flag(v1Disabled); err != nil {
		return nil, err
	}
	s.noV1 = s.noV1 || p.DisableV1
	if s.place, err = p.locate(); err != nil {
		return nil, err
	}
	if s.timeout <= 0 {
		if s.timeout, err = p.timeout(); err != nil {
			return nil, err
		}
	}
	if s.attempts <= 0 {
		if s.attempts, err = p.attempts(); err != nil {
			return nil, err
		}
	}
	s.probes = s.attempts
	if s.attempts == 0 {
		s.attempts, s.probes = 3, 1
	}
	p.once.Do(func() { p.client, _ = wire.DirectClient(p.HTTPClient, nil) })
	s.client = p.client
	return s, nil
}

// locate returns where the service is.
func (p *Provider) locate() (place, error) {
	for _, given := range []struct{ name, value string }{
		{"Endpoint", p.Endpoint},
		{endpointName, p.lookUp(endpointName)},
		{profilesField + " of the profile", p.ProfileEndpoint},
	} {
		if value := strings.TrimSpace(given.value); value != "" {
			endpoint, err := parseEndpoint(value)
			if err != nil {
				return place{}, fmt.Errorf("%s %w", given.name, err)
			}
			return place{endpoint, true}, nil
		}
	}
	for _, given := range []struct{ name, value string }{
		{"EndpointMode", p.EndpointMode},
		{modeName, p.lookUp(modeName)},
		{profilesField + "_mode of the profile", p.ProfileEndpointMode},
	} {
		switch mode := strings.TrimSpace(given.value); {
		case mode == "":
		case strings.EqualFold(mode, "IPv4"):
			return place{ipv4Endpoint, false}, nil
		case strings.EqualFold(mode, "IPv6"):
			return place{ipv6Endpoint, false}, nil
		default:
			return place{}, stschain.Permanent(fmt.Errorf("%s is %.40q: it can be IPv4 or IPv6", given.name, mode))
		}
	}
	return place{ipv4Endpoint, false}, nil
}

func parseEndpoint(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, !wire.IsHost(u.Hostname()), u.Scheme != "http" && u.Scheme != "https":
		return "", stschain.Permanent(fmt.Errorf("is no URL of http or https, such as %s", ipv4Endpoint))
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return "", stschain.Permanent(errors.New("has more than a host, a port and a path, such as a user or a query"))
	}
	u.ForceQuery = false
	return strings.TrimRight(u.String(), "/"), nil
}

func (p *Provider) timeout() (time.Duration, error) {
	value := p.lookUp(timeoutName)
	if value == "" {
		return time.Second, nil
	}
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(seconds) || seconds < 0.001 || seconds > maxTimeout.Seconds() {
		return 0, stschain.Permanent(fmt.Errorf("%s is no number of seconds between 0.001 and %v", timeoutName, maxTimeout.Seconds()))
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// attempts is 0 if nobody says.
func (p *Provider) attempts() (int, error) {
	value := p.lookUp(attemptsName)
	if value == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxAttempts {
		return 0, stschain.Permanent(fmt.Errorf("%s is no number between 1 and %d", attemptsName, maxAttempts))
	}
	return n, nil
}

// flag is true or false, in any case. Something else may mean either.
func (p *Provider) flag(name string) (bool, error) {
	value := p.lookUp(name)
	if value == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(strings.ToLower(value))
	if err != nil {
		return false, stschain.Permanent(fmt.Errorf("%s is neither true nor false", name))
	}
	return on, nil
}

// lookUp reads a variable without white space around its value.
func (p *Provider) lookUp(name string) string {
	lookup := os.LookupEnv
	if p.LookupEnv != nil {
		lookup = p.LookupEnv
	}
	value, _ := lookup(name)
	return strings.TrimSpace(value)
}

func (p *Provider) now() time.Time {
	if p.Clock == nil {
		return time.Now()
	}
	return p.Clock.Now()
}
