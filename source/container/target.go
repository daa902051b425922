package container

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

const (
	relativeURI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	fullURI     = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
)

// ecs is the agent of ECS, for a relative URI.
const ecs = "http://169.254.170.2"

// target is the agent that the environment configures.
type target struct {
	url      *url.URL
	variable string // that configures it
}

// local reports whether the rules for http apply.
func (t *target) local() bool { return t.url.Scheme == "http" }

// secrets are the parts of the path and the query that are long enough to be secret.
func (t *target) secrets() (secrets []stschain.Secret) {
	for _, part := range strings.FieldsFunc(t.url.Path+"&"+t.url.RawQuery, func(r rune) bool { return strings.ContainsRune("/&=", r) }) {
		if len(part) >= 16 {
			secrets = append(secrets, stschain.NewSecret(part))
		}
	}
	return secrets
}

// target reads the environment. Its errors show only the host of the URI.
func (p *Provider) target() (target, error) {
	relative, full := p.lookUp(relativeURI), p.lookUp(fullURI)
	switch {
	case relative != "":
		u, err := url.Parse(ecs + relative)
		if err != nil || !strings.HasPrefix(relative, "/") || u.User != nil || "http://"+u.Host != ecs {
			return target{}, stschain.Permanent(fmt.Errorf("%s is not a path, which begins with a slash", relativeURI))
		}
		return target{u, relativeURI}, nil
	case full != "":
		u, err := parseFull(full)
		return target{u, fullURI}, err
	}
	return target{}, stschain.Unavailable("container: neither %s nor %s is set", relativeURI, fullURI)
}

func parseFull(full string) (*url.URL, error) {
	invalid := func(what string) error { return stschain.Permanent(errors.New(fullURI + " " + what)) }
	u, err := url.Parse(full)
	switch {
	case err != nil:
		return nil, invalid("is not a URI")
	case !wire.IsHost(u.Hostname()):
		return nil, invalid("has no host; it is a whole URI, such as http://localhost/credentials")
	case u.User != nil:
		return nil, invalid("has a user and a password; use " + tokenVariable + " instead")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, invalid("is not a URI of http or https")
	case !wire.IsPort(u.Port()):
		return nil, invalid("has an invalid port")
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && u.Scheme == "http" && !mayDial(addr) {
		return nil, stschain.Permanent(&addressError{fullURI + " has", addr.String()})
	}
	return u, nil
}

// addressError is an address that plain http is not allowed to.
type addressError struct{ what, addr string }

func (e *addressError) Error() string {
	return e.what + " " + e.addr + ", and plain http is allowed only to this machine (loopback, 169.254.170.2, 169.254.170.23, fd00:ec2::23), since anyone on the network path could read the credentials; use https"
}

// mayDial reports whether plain http to an address is allowed.
func mayDial(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr.IsLoopback() || slices.Contains(wire.AgentAddresses(), addr)
}

// client returns a client without a proxy. guarded reports whether it enforces the rules for http when it
// connects. done closes its idle connections.
func (p *Provider) client(to *target) (client *http.Client, guarded bool, done func()) {
	var guard func(wire.Dial) wire.Dial
	if to.local() {
		guard = p.guard
	}
	client, guarded = wire.DirectClient(p.HTTPClient, guard)
	if guarded {
		return client, true, client.CloseIdleConnections
	}
	return client, false, func() {} // its connections are the caller's
}

// guard lets dial connect only to addresses that mayDial.
func (p *Provider) guard(dial wire.Dial) wire.Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		addrs, err := p.allowed(ctx, host)
		if err != nil {
			return nil, err
		}
		for _, addr := range addrs {
			conn, dialErr := dial(ctx, network, net.JoinHostPort(addr.String(), port))
			if dialErr == nil {
				return conn, nil
			}
			if err == nil {
				err = dialErr
			}
		}
		return nil, err
	}
}

// check checks the addresses of a host for a transport that cannot be guarded.
func (p *Provider) check(ctx context.Context, to *target, timeout time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := p.allowed(bounded, to.url.Hostname())
	if err != nil && ctx.Err() != nil {
		return wire.Cause(ctx, err)
	}
	return err
}

// allowed resolves a host. All of its addresses must be allowed, since any of them may be connected to.
func (p *Provider) allowed(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs := make([]netip.Addr, 1)
	var err error
	if addrs[0], err = netip.ParseAddr(host); err != nil {
		resolve := p.Resolve
		if resolve == nil {
			resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
				return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
			}
		}
		if addrs, err = resolve(ctx, host); err != nil {
			return nil, err
		}
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	for i, addr := range addrs {
		if !mayDial(addr) {
			return nil, &addressError{host + " is", addr.String()}
		}
		addrs[i] = addr.Unmap()
	}
	return addrs, nil
}

func (p *Provider) lookUp(name string) string { return system.Getenv(p.LookupEnv, name) }
