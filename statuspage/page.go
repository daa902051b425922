package statuspage

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed page.css
var style string

// policy allows the style of the page and its search form, and nothing else.
var policy = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
})

func sendPage(w http.ResponseWriter, title string, s state) {
	p := &page{now: s.Time}
	p.state(text(title), s)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write([]byte(p.out.String()))
}

func sendJSON(w http.ResponseWriter, s state) {
	body, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		http.Error(w, "the state cannot be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(body, '\n'))
}

// page prints a state as HTML.
type page struct {
	printer
	now time.Time
}

func (p *page) state(title string, s state) {
	p.print(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>`, title)
	p.out.WriteString(style)
	p.print(`</style>
</head>
<body>
<header>
<h1>%s</h1>
<p>at `, title)
	p.time(s.Time)
	p.print(`, <a href="?format=json">as JSON</a></p>
</header>
`)
	for _, shown := range s.Providers {
		p.provider(shown)
	}
	if len(s.Pools) > 0 {
		p.print(`<form method="get"><input type="search" name="q" value="%s" aria-label="part of a key" placeholder="part of a key"><button>Search</button></form>
`, s.Query)
	}
	for _, shown := range s.Pools {
		p.pool(shown, s.Query)
	}
	p.print("</body>\n</html>\n")
}

func (p *page) provider(shown provider) {
	p.print("<section>\n<h2>%s</h2>\n", shown.Name)
	if len(shown.Caches) == 0 {
		p.print("<p>It has no cache.</p>\n")
	}
	p.cards(shown.Caches)
	p.timeline(shown.Events)
	if len(shown.Events) > 0 {
		p.print("<details><summary>last events</summary><ol reversed>\n")
		for _, e := range newest(shown.Events) {
			p.event(e)
		}
		p.print("</ol></details>\n")
	}
	p.print("</section>\n")
}

// newest returns the last events, the newest first.
func newest(events []event) []event {
	events = slices.Clone(events[max(0, len(events)-20):])
	slices.Reverse(events)
	return events
}

func (p *page) event(e event) {
	p.print(`<li>`)
	p.time(e.Time)
	p.print(" %s, %s", e.Kind, e.Origin)
	if e.Took != "" {
		p.print(", took %s", e.Took)
	}
	if e.Note != "" {
		p.print(", %s", e.Note)
	}
	if e.Error != "" {
		p.print(`: <span class="error">%s</span>`, e.Error)
	}
	p.print("</li>\n")
}

func (p *page) pool(shown pool, query string) {
	p.print("<section>\n<h2>%s</h2>\n", shown.Name)
	defer p.print("</section>\n")
	if shown.Error != "" {
		p.print(`<p class="error">%s</p>`+"\n", shown.Error)
		return
	}
	p.print(`<dl class="totals">`)
	p.total("keys with credentials", shown.Entries)
	p.total("new keys", shown.New)
	p.total("failing", shown.Failing)
	for _, phase := range slices.Sorted(maps.Keys(shown.Phases)) {
		p.total(phase, shown.Phases[phase])
	}
	p.total("memory", fmt.Sprintf("%.1f MiB", float64(shown.Bytes)/(1<<20)))
	p.total("in flight, at most", fmt.Sprintf("%d, %d", shown.InFlight, shown.Bound))
	p.total("waiting", shown.Waiting)
	p.total("hits", shown.Hits)
	p.total("misses", shown.Misses)
	p.total("evictions", shown.Evictions)
	p.total("refusals", shown.Refusals)
	p.print("</dl>\n<p>%s of %s keys", len(shown.Keys), shown.Found)
	if query != "" {
		p.print(" with %s", query)
	}
	p.print(", the worst first</p>\n")
	p.cards(shown.Keys)
}

func (p *page) total(name string, value any) {
	p.print("<div><dt>%s</dt><dd>%s</dd></div>\n", name, value)
}

func (p *page) cards(shown []cache) {
	p.print(`<ul class="cards">`)
	for _, c := range shown {
		p.card(c)
	}
	p.print("</ul>\n")
}

func (p *page) card(c cache) {
	class := "card " + c.Phase
	if c.Error != "" {
		class += " failed"
	}
	p.print("\n"+`<li class="%s">`+"\n<h3>", class)
	if c.Key != "" {
		p.print("%s ", c.Key)
	}
	p.print(`<span class="phase">%s</span>`, c.Phase)
	p.flag("rejected", c.Rejected)
	p.flag("refreshing", c.Refreshing)
	p.print("</h3>\n<p>%s", left(p.now, c))
	if !c.Expires.IsZero() {
		p.print(` <span class="faint">at `)
		p.time(c.Expires)
		p.print("</span>")
	}
	p.print("</p>\n")
	p.bar(bar(p.now, c))
	p.print("<p>")
	if c.AccessKeyID != "" {
		p.print("<code>%s</code> from ", c.AccessKeyID)
	}
	p.print("%s</p>\n", c.Origin)
	if when := attempts(p.now, c); when != "" {
		p.print("<p>%s</p>\n", when)
	}
	if c.Error != "" {
		p.print(`<p class="error">%s</p>`+"\n", c.Error)
	}
	p.print(`<p class="faint">attempts %s, failed %s, served stale %s, callers that waited %s</p>`+"\n</li>", c.Attempts, c.Failures, c.Stale, c.Waits)
}

// flag prints a state that credentials can have in any phase.
func (p *page) flag(name string, on bool) {
	if on {
		p.print(` <span class="phase">%s</span>`, name)
	}
}

// attempts says when there was a refresh and when the next one is.
func attempts(now time.Time, c cache) string {
	var when []string
	if !c.Refreshed.IsZero() {
		when = append(when, "refreshed "+in(now, c.Refreshed))
	}
	if !c.Next.IsZero() {
		when = append(when, "next attempt "+in(now, c.Next))
	}
	return strings.Join(when, ", ")
}

func (p *page) time(t time.Time) {
	p.print(`<time datetime="%s">%s</time>`, t.Format(time.RFC3339), t.Format("2006-01-02 15:04:05 UTC"))
}

// in says how far a time is from now.
func in(now, t time.Time) string {
	d := t.Sub(now).Round(time.Second)
	switch {
	case d < 0:
		return (-d).String() + " ago"
	case d == 0:
		return "now"
	}
	return "in " + d.String()
}

// left says how long credentials are valid.
func left(now time.Time, c cache) string {
	switch {
	case c.AccessKeyID == "":
		return "no credentials"
	case c.Expires.IsZero():
		return "never expires"
	case !now.Before(c.Expires):
		return "expired " + in(now, c.Expires)
	}
	return "expires " + in(now, c.Expires)
}
