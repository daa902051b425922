package tokenfile

import (
	"context"
	"fmt"
	"sync"
)

// Turn lets the callers of one program refresh a file one after the other, also where it
// cannot be locked. The zero Turn is free.
type Turn struct {
	once  sync.Once
	taken chan struct{} // holds one while it is taken
}

// Take waits for the turn. Whoever has it calls release, once. The error wraps ctx's.
func (t *Turn) Take(ctx context.Context) (release func(), err error) {
	t.once.Do(func() { t.taken = make(chan struct{}, 1) })
	select {
	case t.taken <- struct{}{}:
		return func() { <-t.taken }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("another caller refreshes it: %w", ended(ctx))
	}
}
