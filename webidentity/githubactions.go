package webidentity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// GitHubActions asks the runner of a GitHub Actions job for ID tokens. Its method
// Token is a source for [Provider.Token]:
//
//	Token: new(webidentity.GitHubActions).Token
//
// The job needs the permission "id-token: write", which makes GitHub set the
// variables ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN. They are
// read each time. In IAM the identity provider is
// token.actions.githubusercontent.com. The zero GitHubActions is ready; it is not
// copied.
//
// Source: https://docs.github.com/en/actions/reference/security/oidc
type GitHubActions struct {
	Audience   string                                    // of the token; "": "sts.amazonaws.com"
	LookupEnv  func(name string) (value string, ok bool) // nil: os.LookupEnv
	HTTPClient *http.Client                              // nil: one with bounded times and the proxies of the environment. A redirect is never followed

	once   sync.Once
	client *http.Client
}

// Bounds on what the runner is asked. It may need to be asked again: its service
// fails now and then.
const (
	githubTries   = 3
	githubPause   = 500 * time.Millisecond // doubled each time
	githubTimeout = 5 * time.Second        // on one try
	githubAnswer  = 64 << 10               // bytes
)

// Token asks for a token. Each is new, and lives for some minutes.
func (g *GitHubActions) Token(ctx context.Context) (stschain.Secret, error) {
	to, secret, err := g.request()
	if err != nil {
		return stschain.Secret{}, fmt.Errorf("GitHub Actions: %w", err)
	}
	for try, pause := 1, githubPause; ; try, pause = try+1, 2*pause {
		token, again, err := g.ask(ctx, to, secret)
		if err == nil {
			noteOrigin(ctx, "the token of GitHub Actions")
			return token, nil
		}
		if !again || try == githubTries || !wait(ctx, pause) {
			return stschain.Secret{}, fmt.Errorf("GitHub Actions: %w", err)
		}
	}
}

// request reads where to ask, and with what.
func (g *GitHubActions) request() (*url.URL, stschain.Secret, error) {
	const urlName, tokenName = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
	address, token := lookUp(g.LookupEnv, urlName), lookUp(g.LookupEnv, tokenName)
	for _, v := range []struct{ name, value string }{{urlName, address}, {tokenName, token}} {
		if v.value == "" {
			return nil, stschain.Secret{}, fmt.Errorf("%s is not set: this is no job of GitHub Actions, or it lacks the permission id-token: write", v.name)
		}
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, stschain.Secret{}, fmt.Errorf("%s has characters that no header can carry", tokenName)
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || !wire.IsHost(u.Hostname()) || u.User != nil:
		return nil, stschain.Secret{}, fmt.Errorf("%s is no URL to ask", urlName)
	case u.Scheme != "https" && !(u.Scheme == "http" && wire.IsLoopback(u.Hostname())):
		return nil, stschain.Secret{}, fmt.Errorf("%s is no https URL, and others would read the token on the way", urlName)
	}
	audience := "sts.amazonaws.com"
	if g.Audience != "" {
		audience = g.Audience
	}
	q := u.Query()
	q.Set("audience", audience)
	u.RawQuery = q.Encode()
	return u, stschain.NewSecret(token), nil
}

// ask asks once. Again tells whether it may help to do so again.
func (g *GitHubActions) ask(ctx context.Context, to *url.URL, secret stschain.Secret) (_ stschain.Secret, again bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, githubTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(bounded, http.MethodGet, to.String(), nil)
	if err != nil {
		return stschain.Secret{}, false, errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is no URL to ask")
	}
	req.Header = http.Header{
		"Authorization": {"Bearer " + secret.Reveal()},
		"Accept":        {"application/json; api-version=2.0"},
		"User-Agent":    {"stschain"},
	}
	g.once.Do(func() { g.client = wire.Client(g.HTTPClient, githubTimeout) })
	resp, err := g.client.Do(req)
	if err != nil {
		return stschain.Secret{}, ctx.Err() == nil, fmt.Errorf("%s did not answer: %w", to.Host, wire.Cause(ctx, err, secret))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, githubAnswer+1))
	switch status := resp.StatusCode; {
	case status == http.StatusTooManyRequests, status >= 500:
		return stschain.Secret{}, true, fmt.Errorf("%s answered %d %s", to.Host, status, http.StatusText(status))
	case status != http.StatusOK:
		return stschain.Secret{}, false, fmt.Errorf("%s answered %d %s", to.Host, status, http.StatusText(status))
	case err != nil:
		return stschain.Secret{}, ctx.Err() == nil, fmt.Errorf("%s did not answer: %w", to.Host, wire.Cause(ctx, err, secret))
	case len(body) > githubAnswer:
		return stschain.Secret{}, false, fmt.Errorf("%s answered with more than %d bytes", to.Host, githubAnswer)
	}
	var answer struct{ Value string }
	if json.Unmarshal(body, &answer) != nil {
		return stschain.Secret{}, false, fmt.Errorf("%s answered with something else than JSON", to.Host)
	}
	token, err := cleanToken(answer.Value)
	if err != nil {
		return stschain.Secret{}, false, fmt.Errorf("%s answered with no token: %w", to.Host, err)
	}
	return stschain.NewSecret(token), false, nil
}

// lookUp reads a variable without white space around its value.
func lookUp(lookupEnv func(string) (string, bool), name string) string {
	if lookupEnv == nil {
		lookupEnv = os.LookupEnv
	}
	value, _ := lookupEnv(name)
	return strings.TrimSpace(value)
}

// wait waits before another try, and reports whether ctx lets it.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
