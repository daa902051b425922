// Package container gets credentials from the agent of a container: of ECS, EKS Pod Identity or
// Greengrass. The environment configures it:
//
//	AWS_CONTAINER_CREDENTIALS_RELATIVE_URI  a path at http://169.254.170.2; it takes precedence over
//	AWS_CONTAINER_CREDENTIALS_FULL_URI      a URI of https, or of http to addresses of this machine
//	AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE  a file with the value of the header Authorization; it takes precedence over
//	AWS_CONTAINER_AUTHORIZATION_TOKEN       the value of the header Authorization
//
// A variable that is empty or blank counts as not set. Variables and file are read on each call.
//
// Anyone on the network path can read plain http, so it is allowed only to loopback addresses,
// 169.254.170.2, 169.254.170.23 and [fd00:ec2::23]. For a name, every address that it resolves to must
// be one of these, and connections are made only to the addresses that were checked: a name that
// resolves to something else later does not help an attacker.
//
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
package container

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/wire"
)

// Provider calls the agent that the environment configures, each time. The zero Provider is ready for use.
//
// Its errors name the variable and the host. They do not show the token or the
// path, which in ECS is sufficient to get the credentials.
type Provider struct {
	LookupEnv func(name string) (value string, ok bool) // nil: os.LookupEnv
	Open      func(path string) (fs.File, error)        // opens the token file; nil: os.Open, for regular files

	// Resolve returns all addresses of a host. nil: the resolver of the system.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	// HTTPClient is used without its proxies and cookies, and follows no redirect. nil: one
	// with bounded times. If its Transport is not an *http.Transport, the addresses of a host
	// are checked before it is called, but not those that it connects to.
	HTTPClient *http.Client

	AttemptTimeout time.Duration // of one attempt; 0: 2 s
	MaxAttempts    int           // while there is no response, or 429 or 5xx; 0: 3
}

// The agent is local, and may be starting.
const (
	defaultTimeout  = 2 * time.Second
	defaultAttempts = 3
	firstPause      = 500 * time.Millisecond // doubled each time
)

// Retrieve calls the agent. If neither URI is set, it returns an [stschain.Unavailable]
// error. Credentials are returned as the agent sends them, even if they have expired: a [stschain.Cache] handles that.
func (p *Provider) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	to, err := p.target()
	switch {
	case stschain.IsUnavailable(err):
		return stschain.Credentials{}, err
	case err != nil:
		return stschain.Credentials{}, fmt.Errorf("container: %w", err)
	}
	creds, err := p.retrieve(ctx, &to)
	if err != nil {
		return stschain.Credentials{}, fmt.Errorf("container: %s at %s: %w", to.variable, to.url.Host, err)
	}
	return creds, nil
}

// Identity returns an error: the agent decides whose credentials it returns.
func (*Provider) Identity(context.Context) (stschain.Identity, error) {
	return stschain.Identity{}, stschain.Permanent(errors.New("container has no identity: the agent decides whose credentials it returns. Do not share its credentials: each process can retrieve its own, or use webidentity"))
}

// String returns "container".
func (p *Provider) String() string { return "container" }

func (p *Provider) retrieve(ctx context.Context, to *target) (creds stschain.Credentials, err error) {
	timeout, attempts := cmp.Or(max(p.AttemptTimeout, 0), defaultTimeout), cmp.Or(max(p.MaxAttempts, 0), defaultAttempts)
	client, guarded, done := p.client(to)
	defer done()
	err = wire.Retry(ctx, attempts, firstPause, func() (again bool, err error) {
		token, err := p.token()
		if err != nil {
			return false, err
		}
		header := http.Header{"Accept": {"application/json"}}
		if !token.IsZero() {
			header.Set("Authorization", token.Reveal())
		}
		var response wire.Response
		if !guarded && to.local() {
			err = p.check(ctx, to, timeout)
		}
		if err == nil {
			response, err = wire.Send(ctx, client, wire.Request{
				Method: http.MethodGet, URL: to.url.String(), Header: header, Timeout: timeout, Secrets: []stschain.Secret{token},
			})
		}
		if refused, ok := errors.AsType[*addressError](err); ok {
			return false, stschain.Permanent(refused)
		}
		if err != nil {
			return ctx.Err() == nil && !errors.Is(err, wire.ErrTooLarge), err
		}
		creds, err = read(response, "container "+to.url.Host, append(to.secrets(), token))
		return err != nil && wire.Retryable(response.Status), err
	})
	return creds, err
}

// read returns the credentials in a response. No error shows the secrets.
func read(r wire.Response, origin string, secrets []stschain.Secret) (stschain.Credentials, error) {
	doc, notJSON := credjson.Parse(r.Body, "Token")
	refusal := doc.Refusal(secrets...)
	if notJSON != nil && isText(r) {
		refusal = redact.Text(string(r.Body), secrets)
	}
	switch err := errors.New(strings.TrimSuffix(fmt.Sprintf("returned %d %s, %s", r.Status, http.StatusText(r.Status), refusal), ", ")); {
	case r.Status == http.StatusOK:
	case wire.Retryable(r.Status):
		return stschain.Credentials{}, wire.Throttled(r.Status, err)
	default:
		return stschain.Credentials{}, stschain.Permanent(err)
	}
	creds, err := doc.Credentials(origin)
	switch {
	case notJSON != nil:
		return stschain.Credentials{}, fmt.Errorf("invalid response: %w", notJSON)
	case err != nil && refusal != "":
		return stschain.Credentials{}, fmt.Errorf("returned %s", refusal)
	case err != nil:
		return stschain.Credentials{}, fmt.Errorf("invalid response: %w", err)
	}
	return creds, nil
}

// isText reports whether a body is plain text, as EKS Pod Identity sends it, and not the page of a proxy.
func isText(r wire.Response) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	kind = strings.TrimSpace(strings.ToLower(kind))
	return (kind == "" || kind == "text/plain") && !bytes.HasPrefix(bytes.TrimSpace(r.Body), []byte("<"))
}
