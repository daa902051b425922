package sso_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/source/sso"
)

// Requests to the port that are not the redirect change nothing, whatever page or program sends them.
func TestLoginCallback(t *testing.T) {
	c := newCenter(t)
	c.Browser = true
	p, err := c.Begin(t.Context())
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := p.Wait(t.Context())
		ended <- err
	}()
	back := c.visit(t, p.URL)
	for name, test := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"another path":       {func(r *http.Request) { r.URL.Path = "/" }, 404},
		"POST":               {func(r *http.Request) { r.Method = "POST" }, 405},
		"a rebound name":     {func(r *http.Request) { r.Host = "evil.example:" + back.Port() }, 403},
		"localhost":          {func(r *http.Request) { r.Host = "localhost:" + back.Port() }, 403},
		"through a proxy":    {func(r *http.Request) { r.Header.Set("X-Forwarded-For", "1.2.3.4") }, 403},
		"another state":      {func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "state=", "state=x", 1) }, 400},
		"no state":           {func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "state=", "x=", 1) }, 400},
		"two states":         {func(r *http.Request) { r.URL.RawQuery += "&state=x" }, 400},
		"no code":            {func(r *http.Request) { r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "code=", "x=", 1) }, 400},
		"two codes":          {func(r *http.Request) { r.URL.RawQuery += "&code=x" }, 400},
		"a code and a error": {func(r *http.Request) { r.URL.RawQuery += "&error=access_denied" }, 400},
		"a denial of others": {func(r *http.Request) { r.URL.RawQuery = "error=access_denied&state=x" }, 400},
		"not a query":        {func(r *http.Request) { r.URL.RawQuery += "&%zz" }, 400},
		"a long code": {func(r *http.Request) {
			r.URL.RawQuery = "state=" + back.Query().Get("state") + "&code=" + strings.Repeat("x", 5000)
		}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, back.String(), nil))
			test.change(r)
			resp, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, test.want, resp.StatusCode)
		})
	}
	select {
	case err := <-ended:
		t.Fatal(err)
	default:
	}
	resp, err := http.Get(back.String())
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	require.NoError(t, <-ended)
}

// Two sign-ins in the browser at once do not take each other's redirects.
func TestLoginTwiceInBrowser(t *testing.T) {
	c := newCenter(t)
	c.Browser = true
	var pages [2]*sso.Pending
	ended := make(chan error, 2)
	for i := range pages {
		p, err := c.Begin(t.Context())
		require.NoError(t, err)
		pages[i] = p
		go func() {
			_, err := p.Wait(t.Context())
			ended <- err
		}()
	}
	require.Equal(t, 1, c.sts.Count("RegisterClient"))
	first, second := c.visit(t, pages[0].URL), c.visit(t, pages[1].URL)
	require.NotEqual(t, first.Port(), second.Port())
	crossed := *second
	crossed.RawQuery = first.RawQuery
	for _, visit := range []struct {
		page string
		want int
	}{{crossed.String(), http.StatusBadRequest}, {second.String(), http.StatusOK}, {first.String(), http.StatusOK}} {
		resp, err := http.Get(visit.page)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, visit.want, resp.StatusCode)
	}
	require.NoError(t, <-ended)
	require.NoError(t, <-ended)
}
