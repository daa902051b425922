// Package wire has the code that the clients of AWS services and of local agents share: HTTP clients for requests
// that carry secrets, retries, the cache of an agent's token, host and region rules, clock skew and times.
package wire

import "github.com/stschain-go/stschain"

// Cached is [stschain.Cached]. A Cache that it creates uses the clock; nil is the system clock.
func Cached(p stschain.Provider, clock stschain.Clock) stschain.CachedProvider {
	if c, ok := p.(stschain.CachedProvider); ok {
		return c
	}
	return &stschain.Cache{Provider: p, Clock: clock}
}
