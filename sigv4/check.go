package sigv4

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stschain-go/stschain/internal/signature"
	"github.com/stschain-go/stschain/internal/wire"
)

// maxSignedHeaders bounds what the clients of a gateway can make it sort and
// hash. It is more than services accept.
const maxSignedHeaders = 1000

// check is the first step of a request: it refuses what must not be signed,
// before anything is read, and returns the scope to sign for. again accepts a
// request that was signed before.
func (t *Transport) check(req *http.Request, again bool) (to service, err error) {
	switch one, each := t.Credentials != nil, t.CredentialsFor != nil; {
	case !one && !each:
		return to, errors.New("sigv4: Transport.Credentials is missing")
	case one && each:
		return to, errors.New("sigv4: Transport.Credentials and CredentialsFor are both set; remove one")
	}
	if err := t.signer.check(req); err != nil {
		return to, err
	}
	if err := checkRedirect(req); err != nil {
		return to, err
	}
	for name, values := range req.Header {
		switch len(name) { // most names have another length
		case len("Authorization"):
			if strings.EqualFold(name, "Authorization") && !(again && isSignature(values)) {
				return to, errors.New("sigv4: the request is already signed: it has Authorization")
			}
		case len("X-Amz-Region-Set"):
			if strings.EqualFold(name, "X-Amz-Region-Set") && !strings.HasPrefix(req.Header.Get("Authorization"), regionScheme) {
				return to, errRegionSet
			}
		}
	}
	switch u := req.URL; {
	case u.Scheme != "https" && u.Scheme != "http":
		return to, fmt.Errorf("sigv4: scheme %q: only https and http requests are signed", u.Scheme)
	case u.Scheme == "http" && t.UnsignedPayload:
		return to, errors.New("sigv4: UnsignedPayload needs https: nothing else protects the body")
	case t.Hosts != nil && !t.allows(u):
		return to, fmt.Errorf("sigv4: host %q is not in Hosts", u.Host)
	case u.Scheme == "http" && !t.AllowHTTP && !wire.IsLoopback(u.Hostname()):
		return to, fmt.Errorf("sigv4: refused to send credentials to %q over plain http, where anyone on the network path can read the session token; use https, or set Transport.AllowHTTP", u.Host)
	}
	return t.scope(req)
}

// errRegionSet is the error of a header that no earlier signature set.
var errRegionSet = errors.New("sigv4: the request has the header X-Amz-Region-Set, which signing adds; remove it, and set RegionSet")

// check refuses a request that cannot be signed, or would not arrive as it was
// signed.
func (s *Signer) check(req *http.Request) error {
	if s.setUp(); s.unstable != nil {
		return s.unstable
	}
	if err := checkURL(req); err != nil {
		return err
	}
	if err := s.checkConnection(req.Header); err != nil || len(req.Header) <= maxSignedHeaders {
		return err
	}
	signed := 0
	for name, values := range req.Header {
		if s.signs(name, values) {
			signed++
		}
	}
	if signed > maxSignedHeaders {
		return fmt.Errorf("sigv4: the request has %d headers to sign, more than %d; remove what the service does not need", signed, maxSignedHeaders)
	}
	return nil
}

// checkConnection refuses a request whose Connection header makes the next hop
// remove what is signed (RFC 9110, section 7.6.1). ReverseProxy.Director gets such
// requests from clients, since ReverseProxy removes these headers after it.
func (s *Signer) checkConnection(h http.Header) error {
	values := h["Connection"]
	if len(values) == 0 {
		return nil
	}
	for _, name := range strings.Split(strings.Join(values, ","), ",") {
		name = strings.Trim(name, " \t\r\n")
		if strings.EqualFold(name, "Authorization") || hasPrefixFold(name, "X-Amz-") || s.signs(name, h.Values(name)) {
			return fmt.Errorf("sigv4: the Connection header names %s, which the next hop would then remove although it is signed; behind a ReverseProxy, sign in Transport or Rewrite and not in Director", name)
		}
	}
	return nil
}

// checkURL refuses what cannot be signed, or what net/http would not send as it
// is.
func checkURL(req *http.Request) error {
	u := req.URL
	switch {
	case u == nil:
		return errors.New("sigv4: the request has no URL")
	case u.Host == "" && req.Host == "":
		return errors.New("sigv4: the request has no host")
	case u.User != nil:
		return errors.New("sigv4: the URL contains a user name, which a signature replaces; remove it")
	case u.Opaque != "":
		return errors.New("sigv4: the URL is opaque; set Path and RawPath instead")
	case !isHost(u.Host) || req.Host != u.Host && !isHost(req.Host):
		return errors.New("sigv4: the host contains characters that net/http does not send as they are; write names beyond ASCII in punycode")
	}
	if u.RawQuery == "" {
		return nil
	}
	for pair, rest, more := "", u.RawQuery, true; more; {
		pair, rest, more = strings.Cut(rest, "&")
		name, _, _ := strings.Cut(pair, "=")
		if name == "" || strings.IndexByte("%xX", name[0]) < 0 {
			continue // most names, without decoding them
		}
		if name, err := url.QueryUnescape(name); err == nil && isPresigned(name) {
			return fmt.Errorf("sigv4: the request is already signed: its query has %s", name)
		}
	}
	return nil
}

// isPresigned reports whether presigning adds a parameter of this name.
func isPresigned(name string) bool {
	return hasPrefixFold(name, "X-Amz-") && slices.Contains(presigned, strings.ToLower(name[len("X-Amz-"):]))
}

var presigned = []string{"algorithm", "credential", "date", "expires", "region-set", "s3session-token", "security-token", "signature", "signedheaders"}

func isHost(s string) bool { return signature.IsEscaped(s, "!$%&'()*+,:;=[]") }

// checkRedirect accepts a redirect that stays at its origin. An http.Client sends
// redirects through its transport again, wherever they lead.
func checkRedirect(req *http.Request) error {
	if req.Response == nil {
		return nil
	}
	before := req.Response.Request
	if before == nil || before.URL == nil {
		return errors.New("sigv4: refused to sign a redirect: the request that led to it is unknown")
	}
	if from, to := origin(before.URL), origin(req.URL); from != to {
		return fmt.Errorf("sigv4: refused to sign a redirect from %s to %s: it would sign it for another origin and disclose the session token", from, to)
	}
	return nil
}

// origin is scheme, host and port, without a default port.
func origin(u *url.URL) string { return u.Scheme + "://" + target(u) }

// target is the host and its port, unless that is the default port.
func target(u *url.URL) string { return strings.ToLower(wireHost(u.Scheme, u.Host)) }

// allows reports whether Hosts lists the host of u.
func (t *Transport) allows(u *url.URL) bool {
	host := target(u)
	return slices.ContainsFunc(t.Hosts, func(h string) bool {
		h = strings.ToLower(wireHost(u.Scheme, h))
		below, ok := strings.CutPrefix(h, "*.")
		return h == host || ok && len(host) > len(below)+1 && strings.HasSuffix(host, "."+below)
	})
}
