package signature

import (
	"time"
	"unsafe"

	"github.com/stschain-go/stschain"
)

// Len is how many keys are cached.
func (k *Keys) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.table)
}

// FreeMemory takes memory that would be used for the next signature.
func (k *Keys) FreeMemory() [][]byte {
	s := k.spaces.get()
	return [][]byte{s.text, s.line}
}

// Inner is a state that a signature can be made with.
func (k *Key) Inner() []byte { return k.inner }

// Get is RegionKey as a method.
func (k *RegionKeys) Get(c stschain.Credentials, scope Scope, at time.Time) (*Key, error) {
	return RegionKey(k, c, scope, at)
}

// Keys are those that are cached.
func (k *RegionKeys) Keys() *Keys { return &k.keys }

// What makes a private key of candidates.
var FirstKey, Scalar = firstKey, scalar

// SameSigner reports whether two keys sign by the same function.
func (k *Key) SameSigner(other *Key) bool {
	return *(*unsafe.Pointer)(unsafe.Pointer(&k.sign)) == *(*unsafe.Pointer)(unsafe.Pointer(&other.sign)) // the closures
}
