package stsquery

import "sync"

// How many tokens a client has for retries, and what brings one back.
const (
	quotaSize      = 500
	firstTryReward = 1
)

// quota keeps a client from doubling the load of a server that is down: every
// retry takes tokens, and only success brings them back. The zero quota is full.
type quota struct {
	mu    sync.Mutex
	spent int
}

// take takes n tokens, or none if there are not so many.
func (q *quota) take(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.spent+n > quotaSize {
		return false
	}
	q.spent += n
	return true
}

// give brings n tokens back.
func (q *quota) give(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spent = max(q.spent-n, 0)
}
