package statuspage

import (
	"strings"
	"time"
)

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

func (p *page) bar(percent int) {
	p.print(`<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label="%s %% of the lifetime remain">`, percent)
	p.print(`<rect class="track" width="100" height="4"/><rect class="left" width="%s" height="4"/></svg>`+"\n", percent)
}

// timeline is the picture of events, 1000 units wide.
type timeline struct {
	from, to time.Time
}

const (
	timelineWidth = 1000
	markWidth     = 6
)

// newTimeline returns one from the first event until now, or beyond if a clock was set.
func newTimeline(now time.Time, events []event) timeline {
	t := timeline{from: events[0].Time, to: now}
	for _, e := range events {
		if e.Time.Before(t.from) {
			t.from = e.Time
		}
		if e.Time.After(t.to) {
			t.to = e.Time
		}
	}
	return t
}

// x is the place of a time.
func (t timeline) x(at time.Time) int {
	whole := t.to.Sub(t.from)
	if whole <= 0 {
		return 0
	}
	return int(max(0, min(1, float64(at.Sub(t.from))/float64(whole))) * (timelineWidth - markWidth))
}

// validUntil is when the credentials of the event at i expired or were replaced.
func (t timeline) validUntil(events []event, i int) time.Time {
	end := t.to
	if expires := events[i].Expires; !expires.IsZero() && expires.Before(end) {
		end = expires
	}
	for _, later := range events[i+1:] {
		if later.Kind == events[i].Kind && later.Time.Before(end) {
			return later.Time
		}
	}
	return end
}

// timeline draws when there were credentials, and what happened.
func (p *page) timeline(events []event) {
	if len(events) == 0 {
		return
	}
	t := newTimeline(p.now, events)
	p.print(`<svg class="timeline" viewBox="0 0 1000 40" preserveAspectRatio="none" role="img" aria-label="timeline of events">
<rect class="track" y="18" width="1000" height="4"/>
`)
	for i, e := range events {
		if e.Kind == "refreshed" {
			x := t.x(e.Time)
			p.print(`<rect class="valid" x="%s" y="12" width="%s" height="16"/>`+"\n", x, max(0, t.x(t.validUntil(events, i))-x))
		}
	}
	for _, e := range events {
		p.print(`<rect class="mark %s" x="%s" y="4" width="6" height="32"><title>%s %s</title></rect>`+"\n",
			strings.ReplaceAll(e.Kind, " ", "-"), t.x(e.Time), e.Time.Format(time.RFC3339), e.Kind)
	}
	p.print("</svg>\n" + `<p class="ends faint">`)
	p.time(t.from)
	p.print(" ")
	p.time(t.to)
	p.print("</p>\n")
}
