package signature

import (
	"cmp"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
)

// Keys caches keys, so that credentials are revealed, checked and derived from once. The zero value is ready to
// use, and safe for concurrent use. Its contents cannot be printed: secrets are masked, and a key is inside a function.
type Keys struct {
	last   atomic.Pointer[cached] // most programs use one key at a time
	mu     sync.Mutex
	table  map[keyOf]*cached
	spaces spaces

	make func(of keyOf, secret, token string) (*Key, error) // nil: newKey. Called under mu
}

// keyOf is all that a key depends on. Credentials that share an ID do not share a key.
type keyOf struct {
	accessKeyID   string
	secret, token stschain.Secret
	scope         Scope
}

type cached struct {
	of      keyOf
	expires time.Time // of the credentials; zero: never
	key     func() *Key
}

const maxKeys = 64

// Get returns the key of c for scope, for a signature that is dated at. Credentials that no service issues are an error,
// which does not show them.
func (k *Keys) Get(c stschain.Credentials, scope Scope, at time.Time) (*Key, error) {
	of := keyOf{c.AccessKeyID, c.SecretAccessKey, c.SessionToken, scope}
	if last := k.last.Load(); last != nil && last.of == of {
		return last.key(), nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	found := k.table[of]
	if found == nil {
		key, err := k.derive(of)
		if err != nil {
			return nil, err
		}
		k.makeRoom(scope.Date, at)
		found = &cached{of, c.Expires, func() *Key { return key }}
		k.table[of] = found
	}
	k.last.Store(found)
	return found.key(), nil
}

func (k *Keys) derive(of keyOf) (*Key, error) {
	if of.accessKeyID == "" || of.secret.IsZero() {
		return nil, errors.New("the credentials lack AccessKeyID or SecretAccessKey")
	}
	secret, token := of.secret.Reveal(), of.token.Reveal()
	if err := cmp.Or(redact.MalformedID("AccessKeyID", of.accessKeyID), redact.Malformed("SessionToken", token),
		redact.Malformed("SecretAccessKey", secret)); err != nil {
		return nil, err
	}
	if k.make != nil {
		return k.make(of, secret, token)
	}
	return newKey(of.accessKeyID, secret, token, of.scope, &k.spaces), nil
}

// makeRoom removes the keys of expired credentials and of earlier days, which would keep secrets in memory, and then
// any one if there are too many: a key that is still in use is derived again.
func (k *Keys) makeRoom(date string, at time.Time) {
	if k.table == nil {
		k.table = make(map[keyOf]*cached)
	}
	for of, c := range k.table {
		if of.scope.Date < date || !c.expires.IsZero() && !c.expires.After(at) {
			delete(k.table, of)
		}
	}
	for of := range k.table {
		if len(k.table) < maxKeys {
			return
		}
		delete(k.table, of)
	}
}

// Dates formats the dates of signatures, and remembers the latest, since many are signed in one second. The zero value
// is ready to use, and safe for concurrent use.
type Dates struct{ last atomic.Pointer[date] }

type date struct {
	second int64
	text   string
}

// DateFormat is the format of dates in signatures.
const DateFormat = "20060102T150405Z"

// Format returns t in DateFormat.
func (d *Dates) Format(t time.Time) string {
	second := t.Unix()
	if last := d.last.Load(); last != nil && last.second == second {
		return last.text
	}
	text := t.UTC().Format(DateFormat)
	d.last.Store(&date{second, text})
	return text
}
