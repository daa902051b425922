package stschain

// What the tests of this package see beyond its API.

// SetRandom fixes the draws of jitter and backoff.
func (c *Cache) SetRandom(f func() float64) { c.random = f }

// Idle reports that no attempt is in flight.
func (c *Cache) Idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flight == nil
}
