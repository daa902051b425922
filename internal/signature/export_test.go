package signature

import "unsafe"

// Len is how many keys are cached.
func (k *Keys) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.table)
}

// Last is the key that Get returns without a lock.
func (k *Keys) Last() *Key { return k.last.Load().key() }

// FreeMemory takes memory that would be used for the next signature.
func (k *Keys) FreeMemory() [][]byte {
	s := k.spaces.get()
	return [][]byte{s.text, s.line}
}

// FreeSum is what the hash of that memory has hashed.
func (k *Keys) FreeSum() []byte { return k.spaces.get().hash.Sum(nil) }

// Inner is a state that a signature can be made with.
func (k *Key) Inner() []byte { return k.inner }

// What makes a header value canonical.
var IsTrimmed, AppendTrimmed = isTrimmed, appendTrimmed

// What makes a private key of candidates.
var FirstKey, Scalar = firstKey, scalar

// SameSigner reports whether two keys sign by the same function.
func (k *Key) SameSigner(other *Key) bool {
	return *(*unsafe.Pointer)(unsafe.Pointer(&k.sign)) == *(*unsafe.Pointer)(unsafe.Pointer(&other.sign)) // the closures
}
