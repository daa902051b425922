package statuspage

import (
	"context"
	"reflect"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
)

// version is that of the JSON.
const version = 1

// state is what the page shows.
type state struct {
	Version   int        `json:"version"`
	Time      time.Time  `json:"time"`
	Query     string     `json:"query,omitempty"`
	Providers []provider `json:"providers"`
	Pools     []pool     `json:"pools"`
}

type provider struct {
	Name   string  `json:"name"`
	Caches []cache `json:"caches"`
	Events []event `json:"events,omitempty"` // the oldest first
}

type cache struct {
	Key         string    `json:"key,omitempty"` // of a pool
	Origin      string    `json:"origin"`
	AccessKeyID string    `json:"accessKeyId,omitempty"`
	Phase       string    `json:"phase"`
	Expires     time.Time `json:"expires,omitzero"`
	Refreshed   time.Time `json:"refreshed,omitzero"`
	Next        time.Time `json:"next,omitzero"`
	Rejected    bool      `json:"rejected,omitempty"`
	Refreshing  bool      `json:"refreshing,omitempty"`
	Error       string    `json:"error,omitempty"`
	Attempts    uint64    `json:"attempts"`
	Failures    uint64    `json:"failures"`
	Stale       uint64    `json:"stale"`
	Waits       uint64    `json:"waits"`
}

type event struct {
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"`
	Origin  string    `json:"origin"`
	Expires time.Time `json:"expires,omitzero"`
	Took    string    `json:"took,omitempty"`
	Error   string    `json:"error,omitempty"`
	Note    string    `json:"note,omitempty"`
}

const maxText = 1024 // of an error or a name, in bytes

func (h *Handler) state(ctx context.Context, query string) state {
	s := state{Version: version, Time: system.Now(h.Clock).UTC().Round(0), Query: text(query), Providers: []provider{}, Pools: []pool{}}
	for _, p := range h.Providers {
		shown := provider{Name: text(p.Name), Caches: []cache{}, Events: p.Events.events()}
		for _, c := range cachesOf(p.Provider) {
			shown.Caches = append(shown.Caches, newCache("", c.Status()))
		}
		s.Providers = append(s.Providers, shown)
	}
	for _, p := range h.Pools {
		if p.read != nil && ctx.Err() == nil {
			s.Pools = append(s.Pools, p.read(query))
		}
	}
	return s
}

// newCache returns a status as it is shown.
func newCache(key string, s stschain.Status) cache {
	c := cache{
		Key: text(key), Origin: text(s.Origin), AccessKeyID: text(s.AccessKeyID), Phase: s.Phase.String(), Expires: utc(s.Expires), Refreshed: utc(s.Refreshed), Next: utc(s.Next),
		Rejected: s.Rejected, Refreshing: s.Refreshing, Attempts: s.Attempts, Failures: s.Failures, Stale: s.Stale, Waits: s.Waits,
	}
	if s.Err != nil {
		c.Error = text(s.Err.Error())
	}
	return c
}

func text(s string) string { return redact.OneLine(s, maxText) }

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Round(0)
}

const (
	maxDepth  = 64
	maxCaches = 100 // of a provider
)

// reporter is a provider with a status: a *stschain.Cache, or a provider of a Pool.
type reporter interface{ Status() stschain.Status }

// cachesOf returns the caches of p and below it, each once.
func cachesOf(p stschain.Provider) []reporter {
	var found []reporter
	seen := map[any]bool{}
	var visit func(p stschain.Provider, depth int)
	visit = func(p stschain.Provider, depth int) {
		v := reflect.ValueOf(p)
		if p == nil || v.Kind() == reflect.Pointer && v.IsNil() || depth == maxDepth || len(found) == maxCaches {
			return
		}
		if v.Comparable() {
			if seen[p] {
				return
			}
			seen[p] = true
		}
		if c, ok := p.(reporter); ok {
			found = append(found, c)
		}
		if parent, ok := p.(stschain.Parent); ok {
			for _, below := range parent.Providers() {
				visit(below, depth+1)
			}
		}
	}
	visit(p, 0)
	return found
}
