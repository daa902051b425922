package imds

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

const (
	disabled     = "AWS_EC2_METADATA_DISABLED"
	v1Disabled   = "AWS_EC2_METADATA_V1_DISABLED"
	endpointName = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
	modeName     = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
	timeoutName  = "AWS_METADATA_SERVICE_TIMEOUT"
	attemptsName = "AWS_METADATA_SERVICE_NUM_ATTEMPTS"
	ipv4Endpoint = "http://169.254.169.254"
	ipv6Endpoint = "http://[fd00:ec2::254]"
	maxAttempts  = 100
	maxTimeout   = 10 * time.Minute
)

// place is the location of the service.
type place struct {
	endpoint   string // without a slash at its end
	configured bool   // it is not the default
}

// service has the settings of one call, and its state.
type service struct {
	_ [0]func() // nothing compares it, so no code for that is needed

	*Provider
	place
	client   *http.Client
	noV1     bool          // version 1 is not used
	timeout  time.Duration // of one attempt
	attempts int           // while failures are retryable
	probes   int           // while there is no response
	v1       error         // why version 1 is used; nil: version 2

	cache *wire.TokenCache[*sessionToken] // of place
	token stschain.Secret                 // zero: version 1 is used
}

// service reads the settings.
func (p *Provider) service() (*service, error) {
	off, err := p.flag(disabled)
	switch {
	case err != nil:
		return nil, err
	case off:
		return nil, stschain.Unavailable("imds: %s is true", disabled)
	}
	s := &service{Provider: p, timeout: p.AttemptTimeout, attempts: p.MaxAttempts}
	var errs [4]error
	s.noV1, errs[0] = p.flag(v1Disabled)
	s.noV1 = s.noV1 || p.DisableV1
	s.place, errs[1] = p.locate()
	if s.timeout <= 0 {
		var seconds float64
		seconds, errs[2] = p.number(timeoutName, 1, 0.001, maxTimeout.Seconds())
		s.timeout = time.Duration(seconds * float64(time.Second))
	}
	if s.attempts <= 0 {
		var attempts float64
		attempts, errs[3] = p.number(attemptsName, 0, 1, maxAttempts)
		s.attempts = int(attempts)
	}
	s.probes = s.attempts
	if s.attempts == 0 {
		s.attempts, s.probes = 3, 1
	}
	p.once.Do(func() { p.client, _ = wire.DirectClient(p.HTTPClient, nil) })
	s.client = p.client
	return s, cmp.Or(errs[0], errs[1], errs[2], errs[3])
}

// locate returns where the service is.
func (p *Provider) locate() (place, error) {
	for _, setting := range []struct{ name, value string }{
		{"Endpoint", p.Endpoint},
		{endpointName, p.lookUp(endpointName)},
	} {
		if value := strings.TrimSpace(setting.value); value != "" {
			endpoint, err := parseEndpoint(value)
			if err != nil {
				return place{}, stschain.Permanent(fmt.Errorf("%s %w", setting.name, err))
			}
			return place{endpoint, true}, nil
		}
	}
	for _, setting := range []struct{ name, value string }{
		{"EndpointMode", p.EndpointMode},
		{modeName, p.lookUp(modeName)},
	} {
		switch mode := strings.TrimSpace(setting.value); {
		case mode == "":
		case strings.EqualFold(mode, "IPv4"):
			return place{ipv4Endpoint, false}, nil
		case strings.EqualFold(mode, "IPv6"):
			return place{ipv6Endpoint, false}, nil
		default:
			return place{}, stschain.Permanent(fmt.Errorf("%s is %.40q: it can be IPv4 or IPv6", setting.name, mode))
		}
	}
	return place{ipv4Endpoint, false}, nil
}

func parseEndpoint(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, !wire.IsHost(u.Hostname()), u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("is not a URL of http or https, such as %s", ipv4Endpoint)
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return "", errors.New("has more than a host, a port and a path, such as a user or a query")
	}
	u.ForceQuery = false
	return strings.TrimRight(u.String(), "/"), nil
}

// number reads a number from low to high. It is whole if low is.
func (p *Provider) number(name string, unset, low, high float64) (float64, error) {
	value := p.lookUp(name)
	if value == "" {
		return unset, nil
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(low <= n && n <= high) || math.Trunc(low) == low && math.Trunc(n) != n {
		return 0, stschain.Permanent(fmt.Errorf("%s is not a number between %v and %v", name, low, high))
	}
	return n, nil
}

// flag reads true or false, in any case. Anything else is an error.
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

func (p *Provider) lookUp(name string) string { return system.Getenv(p.LookupEnv, name) }

func (p *Provider) now() time.Time { return system.Now(p.Clock) }
