package statuspage

import (
	"slices"
	"sync"
	"time"

	"github.com/stschain-go/stschain"
)

// maxEvents is how many events are remembered.
const maxEvents = 200

// Events remembers the last 200 events of a [stschain.Cache], for its timeline. The zero Events is ready to use; do not copy it.
//
//	events := new(statuspage.Events)
//	credentials := &stschain.Cache{Provider: role, OnEvent: events.Add}
type Events struct {
	mu   sync.Mutex
	last []event // the oldest first
}

// Add adds an event. It is an OnEvent function; use [stschain.CombineEvents] for several.
func (e *Events) Add(of stschain.Event) {
	added := event{Time: utc(of.Time), Kind: of.Kind.String(), Origin: text(of.Origin), Expires: utc(of.Expires), Note: text(of.Note)}
	if of.Took > 0 {
		added.Took = of.Took.Round(time.Millisecond).String()
	}
	if of.Err != nil {
		added.Error = text(of.Err.Error())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.last) == maxEvents {
		e.last = slices.Delete(e.last, 0, 1)
	}
	e.last = append(e.last, added)
}

// events returns a copy.
func (e *Events) events() []event {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.last)
}
