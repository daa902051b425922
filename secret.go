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

// Secret is a string that prints as "[redacted]". No fmt verb, slog handler,
// json, xml or gob encoder, or failed test assertion shows it, even nested in
// other values, because the string is masked with random bytes that are
// generated once per process. The mask does not protect against code that can
// read the memory of the process.
//
// Secrets are equal (==) if their strings are. The zero Secret is the empty string.
type Secret struct{ masked unique.Handle[string] }

// NewSecret returns a Secret of s. NewSecret("") == Secret{}.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{unique.Make(mask(s))}
}

// Reveal returns the string.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return mask(s.masked.Value())
}

// IsZero reports whether the string is empty.
func (s Secret) IsZero() bool { return s == Secret{} }

// Format writes "[redacted]" for every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (s Secret) GoString() string { return redacted }

// LogValue returns "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]", for json and xml.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// pad is the mask of this process.
var pad struct {
	once  sync.Once
	bytes [256]byte
}

func drawPad() { rand.Read(pad.bytes[:]) } // never fails

// mask masks a string, or unmasks a masked one.
func mask(s string) string {
	pad.once.Do(drawPad)
	var out strings.Builder
	out.Grow(len(s))
	var chunk [len(pad.bytes)]byte
	for len(s) > 0 {
		n := copy(chunk[:], s)
		subtle.XORBytes(chunk[:n], chunk[:n], pad.bytes[:])
		out.Write(chunk[:n])
		s = s[n:]
	}
	return out.String()
}
