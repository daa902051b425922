package stschain

import "time"

// What the tests of this package see beyond its API.

// SetRandom fixes the draws of jitter and back-off.
func (c *Cache) SetRandom(f func() float64) { c.random = f }

// WindowsFor is windowsFor with its three results.
func WindowsFor(lifetime, advisory, mandatory time.Duration, random float64) (nominal, advisoryWindow, mandatoryWindow time.Duration) {
	w := windowsFor(lifetime, advisory, mandatory, random)
	return w.nominal, w.advisory, w.mandatory
}

var (
	RestAfterSuccess      = restAfterSuccess
	RestAfterFailure      = restAfterFailure
	RestAfterRefusal      = restAfterRefusal
	RestAfterFirstFailure = restAfterFirstFailure
	Nanos                 = nanos
	Plus                  = plus
	Span                  = span
)

// Idle reports that no background refresh flies.
func (c *Cache) Idle() bool { return !c.flying.Load() }
