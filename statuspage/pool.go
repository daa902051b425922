package statuspage

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/stschain-go/stschain"
)

// Pool is a pool that is shown. [NewPool] makes one.
type Pool struct {
	read func(query string) pool
}

// NewPool returns a pool for a Handler. name is for the page. show is required: it returns the text of a key, which must not
// be secret, such as the ID of a tenant. It is called for keys that are shown, and in a search for all keys, concurrently
// if requests are. A missing argument is shown as an error.
func NewPool[K comparable](name string, p *stschain.Pool[K], show func(key K) string) Pool {
	return Pool{func(query string) pool {
		shown := pool{Name: text(name), Keys: []cache{}}
		switch {
		case p == nil:
			shown.Error = "NewPool has no pool"
		case show == nil:
			shown.Error = "NewPool has no function that shows a key: keys may be secret"
		default:
			read(&shown, p, show, query)
		}
		return shown
	}}
}

// pool is what is shown of a Pool.
type pool struct {
	Name      string         `json:"name"`
	Error     string         `json:"error,omitempty"`
	Entries   int            `json:"entries"` // keys that have brought credentials
	New       int            `json:"new"`     // keys that have not yet
	Bytes     int64          `json:"bytes"`
	InFlight  int            `json:"inFlight"`
	Waiting   int            `json:"waiting"`
	Bound     int            `json:"bound"`
	Hits      uint64         `json:"hits"`
	Misses    uint64         `json:"misses"`
	Evictions uint64         `json:"evictions"`
	Refusals  uint64         `json:"refusals"`
	Phases    map[string]int `json:"phases"`  // how many keys are in each
	Failing   int            `json:"failing"` // keys whose last attempt failed
	Found     int            `json:"found"`   // keys that the query selects
	Keys      []cache        `json:"keys"`    // the worst hundred of these
}

const maxKeys = 100

// keyed is the status of a key.
type keyed[K comparable] struct {
	key    K
	status stschain.Status
}

// read fills in what a pool knows. Its memory does not grow with the pool.
func read[K comparable](shown *pool, p *stschain.Pool[K], show func(K) string, query string) {
	st := p.Status()
	shown.Entries, shown.New, shown.Bytes, shown.InFlight, shown.Waiting, shown.Bound = st.Entries, st.New, st.Bytes, st.InFlight, st.Waiting, st.Bound
	shown.Hits, shown.Misses, shown.Evictions, shown.Refusals = st.Hits, st.Misses, st.Evictions, st.Refusals
	shown.Phases = map[string]int{}
	query = strings.ToLower(query)
	var worst []keyed[K]
	for key, c := range p.All() {
		status := c.Status()
		shown.Phases[status.Phase.String()]++
		if status.Err != nil {
			shown.Failing++
		}
		if query != "" && !strings.Contains(strings.ToLower(show(key)), query) {
			continue
		}
		shown.Found++
		if worst = append(worst, keyed[K]{key, status}); len(worst) == 10*maxKeys {
			worst = worstOf(worst)
		}
	}
	for _, k := range worstOf(worst) {
		shown.Keys = append(shown.Keys, newCache(show(k.key), k.status))
	}
}

// worstOf returns the hundred that need attention most.
func worstOf[K comparable](all []keyed[K]) []keyed[K] {
	slices.SortStableFunc(all, func(a, b keyed[K]) int {
		return cmp.Or(cmp.Compare(severity(b.status), severity(a.status)), byExpiry(a.status, b.status))
	})
	return all[:min(len(all), maxKeys)]
}

// byExpiry compares when credentials expire. Those that never do are the last.
func byExpiry(a, b stschain.Status) int {
	if a.Expires.IsZero() != b.Expires.IsZero() {
		return b.Expires.Compare(a.Expires)
	}
	return a.Expires.Compare(b.Expires)
}

// severity is how much a status needs attention.
func severity(s stschain.Status) int {
	switch {
	case s.Err != nil && (s.Phase == stschain.Empty || s.Phase == stschain.Expired):
		return 6
	case s.Err != nil && errors.Is(s.Err, stschain.ErrPermanent):
		return 5
	case s.Err != nil, s.Rejected:
		return 4
	case s.Phase == stschain.Expired:
		return 3
	case s.Phase == stschain.Mandatory:
		return 2
	case s.Phase == stschain.Advisory:
		return 1
	}
	return 0
}
