// Package signature computes Signature Version 4 of a request from its parts,
// as they are sent. It does not use net/http, and has options that only test
// vectors need.
//
// The rules are those of "Create a signed AWS API request" in the IAM User Guide;
// where that is ambiguous, the test suite of the AWS SDKs decides.
package signature

import (
	"bytes"
	"cmp"
	"path"
	"slices"
	"sort"
	"strings"
)

// Request contains the parts of a request that are signed.
type Request struct {
	Method  string
	Path    string  // escaped, as it is sent; "" is "/"
	Query   string  // as it is sent, without the "?"
	Header  []Field // the signed headers, host included; see SortFields
	Payload string  // hex SHA-256 of the body, or a constant such as UNSIGNED-PAYLOAD

	// Most services read the path with dot segments and double slashes
	// removed, and escaped once more than it is sent. S3 does neither.
	RawPath     bool // keep dot segments and double slashes
	EscapedOnce bool // take Path as it is
}

// Field is a header with its values in the order in which they are sent. The
// case of its name does not matter.
type Field struct {
	Name   string
	Values []string
}

// SortFields sorts fields into the order in which they are signed.
func SortFields(fields []Field) {
	if len(fields) > fewFields {
		sorted := slices.Clone(fields) // otherwise the caller's array would always be on the heap
		sort.Sort(ordered[Field]{sorted, func(a, b Field) int { return compareFold(a.Name, b.Name) }})
		copy(fields, sorted)
		return
	}
	for i := range fields {
		for ; i > 0 && compareFold(fields[i].Name, fields[i-1].Name) < 0; i-- {
			fields[i], fields[i-1] = fields[i-1], fields[i]
		}
	}
}

// fewFields is how many fields an insertion sort handles well. Ordinary requests sign about five.
const fewFields = 32

// ordered is sorted by sort.Sort, which programs that use net/http link anyway: an instance of slices.SortFunc
// for each type would add 11 kB.
type ordered[T any] struct {
	items   []T
	compare func(a, b T) int
}

func (o ordered[T]) Len() int           { return len(o.items) }
func (o ordered[T]) Less(i, j int) bool { return o.compare(o.items[i], o.items[j]) < 0 }
func (o ordered[T]) Swap(i, j int)      { o.items[i], o.items[j] = o.items[j], o.items[i] }

// AppendCanonical appends the canonical request.
func AppendCanonical(dst []byte, r *Request) []byte {
	dst = appendPath(appendAll(dst, r.Method, "\n"), r)
	dst = AppendQuery(append(dst, '\n'), r.Query)
	dst = append(dst, '\n')
	for _, f := range r.Header {
		dst = appendLower(dst, f.Name)
		dst = append(dst, ':')
		for i, v := range f.Values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendTrimmed(dst, v)
		}
		dst = append(dst, '\n')
	}
	dst = appendNames(append(dst, '\n'), r.Header)
	return appendAll(dst, "\n", r.Payload)
}

// appendNames appends the list of signed headers.
func appendNames(dst []byte, fields []Field) []byte {
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ';')
		}
		dst = appendLower(dst, f.Name)
	}
	return dst
}

// appendPath appends the canonical path.
func appendPath(dst []byte, r *Request) []byte {
	p := r.Path
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	if !r.RawPath {
		p = path.Clean(p)
		if strings.HasSuffix(r.Path, "/") && p != "/" {
			p += "/"
		}
	}
	if r.EscapedOnce {
		return append(dst, p...)
	}
	return appendEscaped(dst, p, "/")
}

// AppendQuery appends the canonical query: each name and value decoded, "+"
// read as a space, and escaped again; sorted by name, then by value. A name
// without "=" has an empty value. An empty string between two "&" is not a pair.
func AppendQuery(dst []byte, query string) []byte {
	if query == "" {
		return dst
	}
	var few [16]pair
	pairs := few[:0]
	base := len(dst)
	for more := true; more; {
		var p string
		if p, query, more = strings.Cut(query, "&"); p == "" {
			continue
		}
		if len(pairs) > 0 {
			dst = append(dst, '&')
		}
		var at pair
		name, value, _ := strings.Cut(p, "=")
		at.name = len(dst) - base
		dst = append(appendReescaped(dst, name), '=')
		at.value = len(dst) - base
		dst = appendReescaped(dst, value)
		at.end = len(dst) - base
		pairs = append(pairs, at)
	}
	if slices.IsSortedFunc(pairs, func(a, b pair) int { return a.compare(b, dst[base:]) }) {
		return dst
	}
	written := bytes.Clone(dst[base:])
	sorted := slices.Clone(pairs) // as in SortFields
	sort.Sort(ordered[pair]{sorted, func(a, b pair) int { return a.compare(b, written) }})
	dst = dst[:base]
	for i, p := range sorted {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, written[p.name:p.end]...)
	}
	return dst
}

// pair has the offsets of a name and a value in the output, and of their end.
type pair struct{ name, value, end int }

func (a pair) compare(b pair, written []byte) int {
	return cmp.Or(bytes.Compare(written[a.name:a.value-1], written[b.name:b.value-1]),
		bytes.Compare(written[a.value:a.end], written[b.value:b.end]))
}

// appendReescaped decodes s as a query is decoded and escapes the result. A "%"
// that starts no escape stands for itself.
func appendReescaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case unreserved[c]:
			start := i
			for i+1 < len(s) && unreserved[s[i+1]] {
				i++
			}
			dst = append(dst, s[start:i+1]...)
			continue
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0:
			c = byte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		}
		dst = appendByte(dst, c)
	}
	return dst
}

// Escape returns s with every byte escaped that is neither unreserved in RFC 3986
// nor in keep. With "/" it is the one escaping of a path that S3 signs.
func Escape(s, keep string) string {
	if IsEscaped(s, keep) {
		return s
	}
	return string(appendEscaped(make([]byte, 0, len(s)+16), s, keep))
}

// IsEscaped reports whether Escape returns s unchanged.
func IsEscaped(s, keep string) bool {
	for i := 0; i < len(s); i++ {
		if !unreserved[s[i]] && strings.IndexByte(keep, s[i]) < 0 {
			return false
		}
	}
	return true
}

func appendEscaped(dst []byte, s, keep string) []byte {
	for i := 0; i < len(s); i++ {
		start := i
		for i < len(s) && unreserved[s[i]] {
			i++
		}
		dst = append(dst, s[start:i]...)
		switch {
		case i == len(s):
		case strings.IndexByte(keep, s[i]) >= 0:
			dst = append(dst, s[i])
		default:
			dst = appendByte(dst, s[i])
		}
	}
	return dst
}

func appendByte(dst []byte, c byte) []byte {
	if IsUnreserved(c) {
		return append(dst, c)
	}
	const digits = "0123456789ABCDEF"
	return append(dst, '%', digits[c>>4], digits[c&15])
}

// IsUnreserved reports whether c is unreserved in RFC 3986: never escaped.
func IsUnreserved(c byte) bool { return unreserved[c] }

var unreserved = func() (is [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") {
		is[c] = true
	}
	return is
}()

// unhex returns the value of a hexadecimal digit, or a negative number.
func unhex(c byte) int {
	digit := strings.IndexByte("0123456789ABCDEFabcdef", c)
	if digit > 0xF {
		digit -= 6
	}
	return digit
}

// appendTrimmed appends a header value without the white space at its ends,
// and with one space for each run of it inside.
func appendTrimmed(dst []byte, v string) []byte {
	if isTrimmed(v) {
		return append(dst, v...)
	}
	for i, word := range strings.FieldsFunc(v, isSpace) {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, word...)
	}
	return dst
}

// isTrimmed is for speed: a session token has about a kilobyte and no white space.
func isTrimmed(v string) bool {
	for _, c := range [...]byte{'\t', '\n', '\v', '\f', '\r'} {
		if strings.IndexByte(v, c) >= 0 {
			return false
		}
	}
	return !strings.HasPrefix(v, " ") && !strings.HasSuffix(v, " ") && !strings.Contains(v, "  ")
}

func isSpace(c rune) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func appendLower(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		dst = append(dst, lower(s[i]))
	}
	return dst
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func compareFold(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if x, y := lower(a[i]), lower(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}
