package stschain

import (
	"context"
	"strings"
	"sync"
)

// Note adds a remark on a call that succeeds: to Note of the [Step] that ctx belongs to, and to Note of the
// [Refreshed] event of the [Cache] that retrieves. source.Default uses it to report other places that have
// credentials, which are not used.
//
// text returns the remark, without a secret, or "" if there is none. It is only called if there is a trace or
// an OnEvent function, so it may look at files.
func Note(ctx context.Context, text func() string) {
	var listeners []*notes
	if t, ok := ctx.Value(traceKey{}).(traced); ok && t.notes != nil {
		listeners = append(listeners, t.notes)
	}
	if a := attemptOf(ctx); a != nil && a.cache.OnEvent != nil {
		listeners = append(listeners, &a.notes)
	}
	if len(listeners) == 0 {
		return
	}
	if remark := text(); remark != "" {
		for _, n := range listeners {
			n.add(remark)
		}
	}
}

// notes are the remarks of a step or an attempt.
type notes struct {
	mu    sync.Mutex
	texts []string
}

func (n *notes) add(remark string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.texts = append(n.texts, remark)
}

// String returns the remarks in order, separated by "; ".
func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.texts, "; ")
}
