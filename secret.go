package stschain

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"unique"
)

const redacted = "[redacted]"

// Secret is a string that does not print. No verb of fmt, no slog handler, no
// json, xml or gob encoder and no dump of a failed test shows it, however deep
// in other values it lies, because what it holds is masked with a pad that is
// made once per process. The mask is against printing; it does not protect
// against someone who can read the memory of the process.
//
// Secrets compare with == . The zero Secret is the empty string.
type Secret struct{ masked unique.Handle[string] }

// NewSecret hides s. NewSecret("") == Secret{}.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{unique.Make(mask(s))}
}

// Reveal returns what was hidden, "" for the zero Secret.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return mask(s.masked.Value())
}

// IsZero reports whether there is nothing hidden.
func (s Secret) IsZero() bool { return s == Secret{} }

// Format answers every verb of fmt with "[redacted]".
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (s Secret) GoString() string { return redacted }

// LogValue returns "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]", which is what json and xml then show.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// pad is the mask of this process.
var pad = sync.OnceValue(func() *[256]byte {
	var p [256]byte
	rand.Read(p[:]) // never fails
	return &p
})

// mask is its own inverse.
func mask(s string) string {
	p := pad()
	var out strings.Builder
	out.Grow(len(s))
	var chunk [len(p)]byte
	for len(s) > 0 {
		n := copy(chunk[:], s)
		subtle.XORBytes(chunk[:n], chunk[:n], p[:])
		out.Write(chunk[:n])
		s = s[n:]
	}
	return out.String()
}
