// Package browser_test shows the pages of this library in headless Chromium.
package browser_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/statuspage"
)

const (
	keys   = 10_000
	markup = `</p></section><script>document.title="hacked"</script><img src="http://127.0.0.1:1/x" onerror="document.title='hacked'"><style>*{display:none}</style>&amp;'"`
)

// chromium starts a browser. Without one, the test is skipped.
func chromium(t *testing.T) context.Context {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		t.Skip("there is no chromium here: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Minute) // t's ends before the browser does
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits for its end
			t.Logf("chromium: %v", err)
		}
		cancel()
	})
	do(t, ctx) // starts it, so that the tabs share it
	return ctx
}

// seen is what a browser reports about its pages.
type seen struct {
	mu        sync.Mutex
	requests  []string
	problems  []string
	responses []string // status and URL
}

func (s *seen) event(ev any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		s.requests = append(s.requests, ev.Request.URL)
	case *network.EventResponseReceived:
		s.responses = append(s.responses, fmt.Sprintf("%d %s", ev.Response.Status, ev.Response.URL))
	case *log.EventEntryAdded:
		s.problems = append(s.problems, ev.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		s.problems = append(s.problems, "a dialog: "+ev.Message)
	}
}

// watch makes the browser report requests and problems.
func watch(ctx context.Context, _ *chromedp.Target) error {
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	if err == nil {
		_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	}
	return err
}

// check: only these pages were requested, and the browser reported no problem.
func (s *seen) check(t *testing.T, requests ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Equal(t, requests, s.requests, "there are no other resources")
	require.Empty(t, s.problems)
}

// handler is a page with a cache that works, one that fails, and a pool of 10,000 keys.
func handler(t *testing.T) http.Handler {
	good := func(life time.Duration) stschain.Provider {
		return stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
			return stschain.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: stschain.NewSecret("secret"), SessionToken: stschain.NewSecret("token"),
				Expires: time.Now().Add(life), Origin: "assumerole arn:aws:iam::123456789012:role/" + strings.Repeat("long", 20)}, nil
		})
	}
	bad := stschain.ProviderFunc(func(context.Context) (stschain.Credentials, error) {
		return stschain.Credentials{}, errors.New(markup + strings.Repeat("x", 500))
	})
	events := new(statuspage.Events)
	works, fails := &stschain.Cache{Provider: good(time.Hour), OnEvent: events.Add}, &stschain.Cache{Provider: bad}
	_, err := works.Retrieve(t.Context())
	require.NoError(t, err)
	_, err = fails.Retrieve(t.Context())
	require.Error(t, err)
	pool := &stschain.Pool[int]{MaxEntries: 2 * keys, MaxBytes: 1 << 30, New: func(n int) (stschain.Provider, error) {
		if n == 4711 {
			return bad, nil
		}
		return good(time.Hour + time.Duration(n)*time.Second), nil
	}}
	for n := range keys {
		_, err := pool.Provider(n).Retrieve(t.Context())
		require.Equal(t, n == 4711, err != nil)
	}
	return &statuspage.Handler{
		Title:     "status of " + markup,
		Providers: []statuspage.Provider{{Name: "works " + markup, Provider: works, Events: events}, {Name: "fails", Provider: fails}},
		Pools:     []statuspage.Pool{statuspage.NewPool("tenants", pool, func(n int) string { return fmt.Sprintf("tenant-%05d", n) })},
	}
}

func TestStatusPage(t *testing.T) {
	ctx := chromium(t)
	server := httptest.NewServer(handler(t))
	t.Cleanup(server.Close)
	for _, width := range []int64{320, 1280} {
		var got seen
		tab, cancel := chromedp.NewContext(ctx, chromedp.WithListener(got.event))
		defer cancel()
		do(t, tab, chromedp.EmulateViewport(width, 800), chromedp.Func(watch), chromedp.Navigate(server.URL))
		require.Equal(t, "status of "+markup, run(t, tab, chromedp.Title()))
		require.LessOrEqual(t, run(t, tab, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)), width, "nothing is wider than the window")
		require.Zero(t, run(t, tab, chromedp.Evaluate[int](`document.scripts.length + document.images.length`)))
		cards := chromedp.Evaluate[int](`document.querySelectorAll("li.card").length`)
		require.Equal(t, 102, run(t, tab, cards), "two caches, a hundred keys")
		bars := `Array.from(document.querySelectorAll("svg rect.left")).filter(r => r.getBoundingClientRect().width > 50).length`
		require.Equal(t, 100, run(t, tab, chromedp.Evaluate[int](bars)), "of credentials")
		require.Equal(t, "grid", run(t, tab, chromedp.Evaluate[string](`getComputedStyle(document.querySelector("ul.cards")).display`)), "the policy allows the style")
		text := run(t, tab, chromedp.Evaluate[string](`document.body.innerText`))
		for _, part := range []string{markup, "tenant-04711 empty", "100 of 10000 keys, the worst first", "ASIAEXAMPLE"} {
			require.Contains(t, text, part)
		}
		got.check(t, server.URL+"/")

		do(t, tab, chromedp.SendKeys(chromedp.CSS(`input[name="q"]`), "TENANT-0123"), chromedp.Click(chromedp.CSS("button")),
			chromedp.WaitVisible(`//p[contains(., "10 of 10 keys with TENANT-0123")]`))
		require.Equal(t, 12, run(t, tab, cards))
		got.check(t, server.URL+"/", server.URL+"/?q=TENANT-0123")
	}
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	require.NoError(t, chromedp.Do(ctx, steps...))
}

func run[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	require.NoError(t, err)
	return v
}

// A page of another server on this machine cannot link to the page, frame it, or read it.
func TestStatusPageFromOtherSites(t *testing.T) {
	ctx := chromium(t)
	server := httptest.NewServer(handler(t))
	t.Cleanup(server.Close)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<a id="link" href="%[1]s">a link</a><iframe src="%[1]s"></iframe><pre id="result"></pre>
			<script>fetch("%[1]s?format=json", {mode: "no-cors"}).then(r => r.text()).then(t => "read " + t.length, e => "failed").then(t => { result.textContent = "result: " + t })</script>`, server.URL)
	}))
	t.Cleanup(other.Close)
	var got seen
	tab, cancel := chromedp.NewContext(ctx, chromedp.WithListener(got.event))
	defer cancel()
	do(t, tab, chromedp.Func(watch), chromedp.Navigate(other.URL), chromedp.WaitVisible(`//pre[starts-with(., "result: ")]`))
	result := run(t, tab, chromedp.Text(chromedp.CSS("#result")))
	do(t, tab, chromedp.Click(chromedp.CSS("#link")), chromedp.WaitVisible(`//body[contains(., "is not shown")]`))
	text := run(t, tab, chromedp.Text(chromedp.CSS("body")))
	require.Contains(t, []string{"result: read 0", "result: failed"}, result)
	require.Contains(t, text, "the status is not shown to pages of other sites")
	got.mu.Lock()
	defer got.mu.Unlock()
	refused := 0
	for _, response := range got.responses {
		if status, url, _ := strings.Cut(response, " "); strings.HasPrefix(url, server.URL) {
			require.Equal(t, "403", status, url)
			refused++
		}
	}
	require.GreaterOrEqual(t, refused, 2, "the frame and the link: %v", got.responses)
}
