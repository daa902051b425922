package statuspage_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/statuspage"
)

const (
	secret = "canary/4711+secret"
	markup = `</p><script>alert("x")</script><img src=//evil.example/x onerror=alert(1)>&amp;'"` + "\r\n\x1b[2J"
)

// get sends a request as a browser on this machine does.
func get(h http.Handler, target string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host, r.RemoteAddr = "localhost:8080", "127.0.0.1:50000"
	r.Header.Set("Sec-Fetch-Site", "none")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// providing returns credentials that are valid for life.
func providing(life time.Duration) stschain.Provider {
	return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{
			AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: stschain.NewSecret(secret), SessionToken: stschain.NewSecret(secret + "-token"),
			Expires: time.Now().Add(life), Origin: "role " + markup,
		}, nil
	})
}

var errMarkup = errors.New("refused: " + markup)

var failing = stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) { return stschain.Credentials{}, errMarkup })

// document is the JSON, as scripts read it.
type document struct {
	Version   int
	Time      time.Time
	Providers []struct {
		Name   string
		Caches []cache
		Events []struct{ Kind, Error string }
	}
	Pools []struct {
		Name, Error                  string
		Entries, New, Failing, Found int
		Phases                       map[string]int
		Keys                         []cache
	}
}

type cache struct {
	Key, Origin, AccessKeyID, Phase, Error string
	Expires, Refreshed, Next               time.Time
	Attempts, Failures                     uint64
}

func read(t *testing.T, h http.Handler, target string) document {
	t.Helper()
	w := get(h, target, nil)
	require.Equal(t, 200, w.Code)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	var d document
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &d))
	return d
}

func TestProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := new(statuspage.Events)
		base := &stschain.Cache{Provider: providing(time.Hour)}
		outer := &stschain.Cache{Provider: &parent{base}, OnEvent: events.Add}
		broken := &stschain.Cache{Provider: failing}
		h := &statuspage.Handler{Providers: []statuspage.Provider{
			{Name: "backup " + markup, Provider: outer, Events: events},
			{Name: "broken", Provider: stschain.NewChain(broken, base, broken)},
			{Name: "none", Provider: stschain.Static("AKIDEXAMPLE", secret, "")},
			{Name: "nil"},
		}}
		before := read(t, h, "/?format=json")
		require.Equal(t, "empty", before.Providers[0].Caches[0].Phase)
		require.Zero(t, before.Providers[0].Caches[1].Attempts, "it calls no provider")

		_, err := outer.Retrieve(t.Context())
		require.NoError(t, err)
		_, err = broken.Retrieve(t.Context())
		require.Error(t, err)
		outer.Invalidate(stschain.Credentials{AccessKeyID: "ASIAEXAMPLE"})
		synctest.Wait()
		<-time.After(30 * time.Minute)

		d := read(t, h, "/?format=json")
		require.Equal(t, 1, d.Version)
		require.Equal(t, time.Now().UTC(), d.Time)
		require.Len(t, d.Providers[0].Caches, 2, "of the provider and below it")
		c := d.Providers[0].Caches[0]
		require.Equal(t, []any{"ASIAEXAMPLE", uint64(1), time.Now().Add(30 * time.Minute).UTC()}, []any{c.AccessKeyID, c.Attempts, c.Expires})
		require.Len(t, d.Providers[1].Caches, 2, "each once")
		require.Contains(t, d.Providers[1].Caches[0].Error, "refused: ")
		require.Empty(t, d.Providers[2].Caches)
		require.Empty(t, d.Providers[3].Caches)
		var kinds []string
		for _, e := range d.Providers[0].Events {
			kinds = append(kinds, e.Kind)
		}
		require.Equal(t, []string{"refresh started", "refreshed", "invalidated"}, kinds)

		w := get(h, "/", nil)
		text := w.Body.String()
		require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
		for _, part := range []string{"ASIAEXAMPLE", "expires in 30m0s", "<h2>broken</h2>", "It has no cache.", `width="50"`, "refreshed 30m0s ago", "rejected", `class="mark invalidated"`, "refused: "} {
			require.Contains(t, text, part)
		}
		checkPage(t, w)
		for _, body := range []string{text, get(h, "/?format=json", nil).Body.String()} {
			canary.CheckText(t, secret, body)
		}
	})
}

// parent is a provider over another one.
type parent struct{ below stschain.Provider }

func (p *parent) Retrieve(ctx context.Context) (stschain.Credentials, error) {
	return p.below.Retrieve(ctx)
}
func (p *parent) Providers() []stschain.Provider { return []stschain.Provider{p.below, p, nil} }

// checkPage: the page is well-formed, without script, handlers or resources, and only its style is allowed.
func checkPage(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	text := w.Body.String()
	d := xml.NewDecoder(strings.NewReader(regexp.MustCompile(`(?s)<!DOCTYPE html>|<style>.*?</style>`).ReplaceAllString(text, "")))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		require.NotContains(t, []string{"script", "img", "iframe", "link", "object", "embed", "base", "image", "use", "foreignobject"}, strings.ToLower(e.Name.Local))
		for _, a := range e.Attr {
			name := strings.ToLower(a.Name.Local)
			require.False(t, strings.HasPrefix(name, "on") || name == "style" || name == "src" || name == "action", "%s=%q", name, a.Value)
			require.True(t, name != "href" || strings.HasPrefix(a.Value, "?"), "%q", a.Value)
		}
	}
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(text)
	require.Len(t, style, 2)
	require.NotContains(t, style[1], "url(")
	sum := sha256.Sum256([]byte(style[1]))
	require.Equal(t, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		w.Header().Get("Content-Security-Policy"))
	require.NotContains(t, text, "\x1b")
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
}

func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := &stschain.Pool[int]{MaxEntries: 20_000, MaxBytes: 1 << 30, New: func(n int) (stschain.Provider, error) {
			if n%1000 == 7 {
				return failing, nil
			}
			return providing(time.Hour + time.Duration(n)*time.Second), nil
		}}
		for n := range 10_000 {
			_, err := pool.Provider(n).Retrieve(t.Context())
			require.Equal(t, n%1000 == 7, err != nil, "%v", err)
		}
		synctest.Wait()
		h := &statuspage.Handler{Pools: []statuspage.Pool{
			statuspage.NewPool("tenants", pool, func(n int) string { return fmt.Sprintf("Tenant-%05d %s", n, markup) }),
			statuspage.NewPool("without a function", pool, nil),
			statuspage.NewPool[int]("without a pool", nil, func(int) string { return "" }),
			{},
		}}
		d := read(t, h, "/?format=json")
		require.Len(t, d.Pools, 3)
		p := d.Pools[0]
		require.Equal(t, []int{9990, 10, 10, 10_000, 100}, []int{p.Entries, p.New, p.Failing, p.Found, len(p.Keys)})
		require.Equal(t, map[string]int{"empty": 10, "fresh": 9990}, p.Phases)
		for i, key := range p.Keys {
			require.Equal(t, i < 10, key.Error != "", "failures are first")
			if i > 10 {
				require.False(t, key.Expires.Before(p.Keys[i-1].Expires), "then those that expire first")
			}
		}
		require.Contains(t, d.Pools[1].Error, "no function")
		require.Empty(t, d.Pools[1].Keys)
		require.Contains(t, d.Pools[2].Error, "no pool")

		d = read(t, h, "/?format=json&q=tENANT-0000")
		require.Equal(t, 10, d.Pools[0].Found)
		require.Len(t, d.Pools[0].Keys, 10)
		require.Contains(t, d.Pools[0].Keys[0].Key, "Tenant-00007")
		require.Zero(t, read(t, h, "/?format=json&q=none").Pools[0].Found)

		w := get(h, "/?q=%3Cscript%3Ealert(1)", nil)
		checkPage(t, w)
		w = get(h, "/", nil)
		checkPage(t, w)
		require.Contains(t, w.Body.String(), "100 of 10000 keys, the worst first")
		require.Less(t, w.Body.Len(), 300<<10)
		canary.CheckText(t, secret, w.Body.String())
	})
}

// The worst keys are found although not all are kept in memory.
func TestWorst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := &stschain.Pool[int]{MaxEntries: 20_000, MaxBytes: 1 << 30, New: func(n int) (stschain.Provider, error) {
			return providing(10*time.Hour + time.Duration((n*7919)%5000)*time.Second), nil // in another order
		}}
		for n := range 5000 {
			_, err := pool.Provider(n).Retrieve(t.Context())
			require.NoError(t, err)
		}
		synctest.Wait()
		h := &statuspage.Handler{Pools: []statuspage.Pool{statuspage.NewPool("p", pool, func(n int) string { return fmt.Sprint(n) })}}
		for i, key := range read(t, h, "/?format=json").Pools[0].Keys {
			require.Equal(t, time.Now().Add(10*time.Hour+time.Duration(i)*time.Second).UTC(), key.Expires)
		}
	})
}

func TestRefusals(t *testing.T) {
	h := &statuspage.Handler{}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, test := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"typed":                 {nil, 200},
		"a search":              {set("Sec-Fetch-Site", "same-origin"), 200},
		"curl":                  {func(r *http.Request) { r.Header = http.Header{} }, 200},
		"HEAD":                  {func(r *http.Request) { r.Method = http.MethodHead }, 200},
		"IPv6":                  {func(r *http.Request) { r.Host, r.RemoteAddr = "[::1]:80", "[::1]:1" }, 200},
		"POST":                  {func(r *http.Request) { r.Method = http.MethodPost }, 405},
		"OPTIONS":               {func(r *http.Request) { r.Method = http.MethodOptions }, 405},
		"a rebound name":        {func(r *http.Request) { r.Host = "rebound.example:8080" }, 403},
		"no host":               {func(r *http.Request) { r.Host = "" }, 403},
		"the network's host":    {func(r *http.Request) { r.Host = "192.168.1.5" }, 403},
		"another machine":       {func(r *http.Request) { r.RemoteAddr = "192.168.1.5:50000" }, 403},
		"a proxy":               {set("X-Forwarded-For", "127.0.0.1"), 403},
		"Forwarded":             {set("Forwarded", "for=127.0.0.1"), 403},
		"Via":                   {set("Via", "1.1 proxy"), 403},
		"a link of a page":      {set("Sec-Fetch-Site", "cross-site"), 403},
		"a neighboring port":    {set("Sec-Fetch-Site", "same-site"), 403},
		"two sites":             {func(r *http.Request) { r.Header["Sec-Fetch-Site"] = []string{"none", "cross-site"} }, 403},
		"an unknown site":       {set("Sec-Fetch-Site", "x"), 403},
		"a script of a page":    {set("Origin", "https://evil.example"), 403},
		"a script of a file":    {set("Origin", "null"), 403},
		"Origin, in lower case": {func(r *http.Request) { r.Header["origin"] = []string{"x"} }, 403},
	} {
		w := get(h, "/", test.change)
		require.Equal(t, test.want, w.Code, name)
		require.Equal(t, test.want == 405, w.Header().Get("Allow") == "GET, HEAD", name)
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'", name)
	}
	h = &statuspage.Handler{Hosts: []string{"status.internal"}, Peers: []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24")}}
	require.Equal(t, 200, get(h, "/", func(r *http.Request) { r.Host, r.RemoteAddr = "status.internal:80", "192.168.1.5:1" }).Code)
	require.Equal(t, 403, get(h, "/", nil).Code, "localhost is not listed")
}

func TestEventsAreBounded(t *testing.T) {
	events := new(statuspage.Events)
	for n := range 1000 {
		events.Add(stschain.Event{Kind: stschain.RefreshFailed, Time: time.Unix(int64(n), 0), Err: errMarkup})
	}
	h := &statuspage.Handler{Providers: []statuspage.Provider{{Name: "x", Events: events}}}
	require.Len(t, read(t, h, "/?format=json").Providers[0].Events, 200)
	checkPage(t, get(h, "/", nil))
}
