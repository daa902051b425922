package statuspage

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	styleText string
)

// page is the template. It is parsed when it is first used, so that programs start without it.
var page = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"style":    func() template.CSS { return template.CSS(styleText) },
		"card":     func(c cache, now time.Time) map[string]any { return map[string]any{"Cache": c, "Now": now} },
		"left":     left,
		"bar":      bar,
		"clock":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"in":       in,
		"timeline": newTimeline,
		"bytes":    func(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) },
		"newest":   newest,
	}).Parse(pageText))
})

// policy allows the style of the page and its search form, and nothing else.
var policy = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(styleText))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
})

func sendPage(w http.ResponseWriter, title string, s state) {
	var body bytes.Buffer // so that an error does not end in the middle of a page
	if err := page().Execute(&body, map[string]any{"Title": title, "State": s}); err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(body.Bytes())
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

// newest returns the last events, the newest first.
func newest(events []event) []event {
	events = slices.Clone(events[max(0, len(events)-20):])
	slices.Reverse(events)
	return events
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

// bar is the part of the lifetime that remains, from 0 to 100.
func bar(now time.Time, c cache) int {
	switch whole := c.Expires.Sub(c.Refreshed); {
	case c.AccessKeyID == "":
		return 0
	case c.Expires.IsZero():
		return 100
	case whole <= 0 || c.Refreshed.IsZero():
		return 0
	default:
		return int(max(0, min(100, 100*c.Expires.Sub(now)/whole)))
	}
}

// timeline is the picture of events, 1000 units wide.
type timeline struct {
	From, To time.Time
	Valid    []span // when there were credentials
	Marks    []mark
}

type span struct{ X, Width int }

type mark struct {
	X           int
	Class, Text string
}

const (
	timelineWidth = 1000
	markWidth     = 6
)

func newTimeline(now time.Time, events []event) *timeline {
	if len(events) == 0 {
		return nil
	}
	t := &timeline{From: events[0].Time, To: now}
	for _, e := range events { // a clock may have been set
		if e.Time.Before(t.From) {
			t.From = e.Time
		}
		if e.Time.After(t.To) {
			t.To = e.Time
		}
	}
	x := func(at time.Time) int {
		whole := t.To.Sub(t.From)
		if whole <= 0 {
			return 0
		}
		return int(max(0, min(1, float64(at.Sub(t.From))/float64(whole))) * (timelineWidth - markWidth))
	}
	for i, e := range events {
		t.Marks = append(t.Marks, mark{x(e.Time), strings.ReplaceAll(e.Kind, " ", "-"), e.Time.Format(time.RFC3339) + " " + e.Kind})
		if e.Kind != "refreshed" {
			continue
		}
		end := t.To
		if !e.Expires.IsZero() && e.Expires.Before(end) {
			end = e.Expires
		}
		for _, later := range events[i+1:] {
			if later.Kind == e.Kind && later.Time.Before(end) {
				end = later.Time
				break
			}
		}
		t.Valid = append(t.Valid, span{x(e.Time), max(0, x(end)-x(e.Time))})
	}
	return t
}
