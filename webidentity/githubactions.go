package webidentity

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

// GitHubActions requests ID tokens from the runner of a GitHub Actions job. Its method Token is a source
// for [Provider.Token]:
//
//	Token: new(webidentity.GitHubActions).Token
//
// The job needs the permission "id-token: write", which makes GitHub set the variables
// ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN. They are read each time. In IAM the
// identity provider is token.actions.githubusercontent.com. The zero GitHubActions is ready for use. Do not copy it.
//
// Source: https://docs.github.com/en/actions/reference/security/oidc
type GitHubActions struct {
	Audience   string                                    // of the token; "": "sts.amazonaws.com"
	LookupEnv  func(name string) (value string, ok bool) // nil: os.LookupEnv
	HTTPClient *http.Client                              // nil: a client with timeouts and the proxies of the environment. Redirects are never followed

	once   sync.Once
	client *http.Client
}

// The runner's service fails occasionally, so a request is retried.
const (
	githubAttempts = 3
	githubPause    = 500 * time.Millisecond // before the second attempt
	githubTimeout  = 5 * time.Second        // of one attempt
)

// Token requests a token. Each is new, and valid for some minutes. If the
// runner's service throttles the request, the error is [stschain.ErrThrottled].
func (g *GitHubActions) Token(ctx context.Context) (token stschain.Secret, err error) {
	defer flow.Wrap(&err, "GitHub Actions", "")
	host, r, err := g.request()
	if err != nil {
		return stschain.Secret{}, err
	}
	g.once.Do(func() { g.client = wire.Client(g.HTTPClient, githubTimeout) })
	err = wire.Retry(ctx, githubAttempts, githubPause, func() (again bool, err error) {
		defer flow.Wrap(&err, host, "")
		resp, err := wire.Send(ctx, g.client, r)
		if err != nil {
			return ctx.Err() == nil && !errors.Is(err, wire.ErrTooLarge), err
		}
		token, err = tokenOf(resp)
		return wire.Retryable(resp.Status), wire.Throttled(resp.Status, err)
	})
	if err == nil {
		noteLocal(ctx, token)
		noteOrigin(ctx, "the token of GitHub Actions")
	}
	return token, err
}

// request returns the request that the environment configures, and its host.
func (g *GitHubActions) request() (host string, r wire.Request, err error) {
	const urlName, tokenName = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
	address, token := system.Getenv(g.LookupEnv, urlName), system.Getenv(g.LookupEnv, tokenName)
	for _, v := range []struct{ name, value string }{{urlName, address}, {tokenName, token}} {
		if v.value == "" {
			return "", r, fmt.Errorf("%s is not set: this is not a GitHub Actions job, or it lacks the permission id-token: write", v.name)
		}
	}
	u, err := url.Parse(address)
	switch {
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", r, fmt.Errorf("%s contains characters that are not valid in a header", tokenName)
	case err != nil || !wire.IsHost(u.Hostname()) || u.User != nil:
		return "", r, fmt.Errorf("%s is not a valid URL", urlName)
	case u.Scheme != "https" && !(u.Scheme == "http" && wire.IsLoopback(u.Hostname())):
		return "", r, fmt.Errorf("%s is not an https URL: the token would be visible on the network path", urlName)
	}
	q := u.Query()
	q.Set("audience", cmp.Or(g.Audience, "sts.amazonaws.com"))
	u.RawQuery = q.Encode()
	return u.Host, wire.Request{
		Method:  http.MethodGet,
		URL:     u.String(),
		Header:  http.Header{"Authorization": {"Bearer " + token}, "Accept": {"application/json; api-version=2.0"}},
		Timeout: githubTimeout,
		Secrets: []stschain.Secret{stschain.NewSecret(token)},
	}, nil
}

// tokenOf returns the token in a response, or an error that does not show its body.
func tokenOf(resp wire.Response) (stschain.Secret, error) {
	if resp.Status != http.StatusOK {
		return stschain.Secret{}, fmt.Errorf("unexpected response: %d %s", resp.Status, http.StatusText(resp.Status))
	}
	var body struct{ Value string }
	if json.Unmarshal(resp.Body, &body) != nil {
		return stschain.Secret{}, errors.New("unexpected response, not JSON with a token")
	}
	return cleanToken(body.Value)
}
