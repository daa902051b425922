package shared

import (
	"fmt"
	"time"
)

// Event reports what a refresh did. It contains no secret.
type Event struct {
	Kind     EventKind
	Time     time.Time
	Identity string    // see stschain.Identity.String
	Expires  time.Time // of the credentials; zero: there are none
	Err      error     // of failures
}

// EventKind says what happened.
type EventKind int

// The kinds of events.
const (
	Loaded        EventKind = iota + 1 // the credentials of another process were returned
	Refreshed                          // the provider returned credentials
	RefreshFailed                      // it failed; Err says why
	Direct                             // it is called without the lease, because the store is away or another process makes no progress
	Unusable                           // the store has a value that cannot be used; Err says why
	StoreFailed                        // an operation of the store failed; Err says why
	Revoked                            // a rejected value was dropped from the store
)

// String returns the kind as text.
func (k EventKind) String() string {
	texts := [...]string{"", "loaded", "refreshed", "refresh failed", "direct", "unusable", "store failed", "revoked"}
	if k <= 0 || int(k) >= len(texts) {
		return fmt.Sprintf("EventKind(%d)", int(k))
	}
	return texts[k]
}
