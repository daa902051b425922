package sigv4

import (
	"net/http"
	"sync"
	"time"

	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

const (
	skewTolerance = 4 * time.Minute // as in the AWS SDKs: a date that is off by less was rejected for another reason
	maxSkew       = 24 * time.Hour
	maxClocks     = 1000
)

// clocks records by how much the clocks of hosts are ahead of this process's. A
// Date header is applied to its own host only, so a host that sends a wrong one
// breaks no other host's signatures.
type clocks struct {
	mu    sync.RWMutex
	ahead map[string]time.Duration
}

// date is when a request was signed.
type date struct {
	sent  time.Time     // on this process's clock
	ahead time.Duration // by how much the signature's date differs from that
}

func (d date) signed() time.Time { return d.sent.Add(d.ahead) }

// date returns the date of a request that is sent to host now.
func (t *Transport) date(host string) date { return date{system.Now(t.Clock), t.clocks.of(host)} }

func (c *clocks) of(host string) time.Duration {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.ahead[host]
}

// learn reports whether the date of a rejected request was wrong by the clock of
// the host, and records by how much. The check step has refused plain http over
// a network, where anyone could forge a Date.
func (c *clocks) learn(host string, d date, header http.Header, received time.Time) bool {
	s, ok := wire.MeasureSkew(header, d.sent, received)
	if !ok || (s.Least-d.ahead).Abs() <= skewTolerance || s.Least.Abs() > maxSkew {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ahead == nil || len(c.ahead) >= maxClocks { // what is still needed is learned again
		c.ahead = make(map[string]time.Duration)
	}
	c.ahead[host] = s.Least
	return true
}
