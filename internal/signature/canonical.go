// Package signature computes Signature Version 4 over requests that are given
// in parts, as they go over the wire. It knows nothing of net/http; what a
// public API should not offer (the knobs that only test vectors turn) is here.
//
// The rules are those of "Create a signed AWS API request" in the IAM User
// Guide; where that text leaves room, the test suite of the AWS SDKs decides.
package signature

import (
	"bytes"
	"slices"
	"sort"
	"strings"
)

// Request is what is signed of a request.
type Request struct {
	Method  string
	Path    string  // escaped, as it is sent; "" is "/"
	Query   string  // as it is sent, without the "?"
	Header  []Field // what is signed, host included; see SortFields
	Payload string  // hex SHA-256 of the body, or what stands for it

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
		sorted := fieldList(slices.Clone(fields)) // a copy, or the caller's array would always escape to the heap
		sort.Sort(sorted)
		copy(fields, sorted)
		return
	}
	for i := range fields {
		for ; i > 0 && compareFold(fields[i].Name, fields[i-1].Name) < 0; i-- {
			fields[i], fields[i-1] = fields[i-1], fields[i]
		}
	}
}

// fewFields is how many an insertion sort handles well. Ordinary requests sign
// about five headers.
const fewFields = 32

// fieldList is a sort.Interface for the reason that pairList is one.
type fieldList []Field

func (f fieldList) Len() int           { return len(f) }
func (f fieldList) Less(i, j int) bool { return compareFold(f[i].Name, f[j].Name) < 0 }
func (f fieldList) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }

// AppendCanonical appends the canonical request.
func AppendCanonical(dst []byte, r *Request) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, '\n')
	dst = appendPath(dst, r)
	dst = append(dst, '\n')
	dst = AppendQuery(dst, r.Query)
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
	dst = append(dst, '\n')
	dst = appendNames(dst, r.Header)
	dst = append(dst, '\n')
	return append(dst, r.Payload...)
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

// appendPath appends the canonical path. An escaped segment holds no slash, so
// that segments can be taken back from what was already written.
func appendPath(dst []byte, r *Request) []byte {
	path := r.Path
	switch {
	case path == "":
		return append(dst, '/')
	case r.RawPath && r.EscapedOnce:
		return append(dst, path...)
	case r.RawPath:
		return appendEscaped(dst, path, "/")
	}
	start := len(dst)
	// Cut and not SplitSeq, here and below: an iterator would move the whole
	// request to the heap.
	for rest, more := path, true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		switch segment {
		case "", ".":
		case "..":
			if slash := bytes.LastIndexByte(dst[start:], '/'); slash >= 0 {
				dst = dst[:start+slash]
			}
		default:
			dst = append(dst, '/')
			if r.EscapedOnce {
				dst = append(dst, segment...)
			} else {
				dst = appendEscaped(dst, segment, "")
			}
		}
	}
	if len(dst) == start || path[len(path)-1] == '/' {
		dst = append(dst, '/')
	}
	return dst
}

// AppendQuery appends the canonical query: each name and value decoded, "+"
// read as a space, and escaped anew; sorted by name, then by value. A name
// without "=" has an empty value, and what lies between two "&" is no pair.
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
	sorted := &pairList{slices.Clone(pairs), bytes.Clone(dst[base:])}
	sort.Sort(sorted)
	dst = dst[:base]
	for i, p := range sorted.pairs {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, sorted.written[p.name:p.end]...)
	}
	return dst
}

// pair is where a name and a value start in what is written, and where they end.
type pair struct{ name, value, end int }

func (a pair) compare(b pair, written []byte) int {
	if c := bytes.Compare(written[a.name:a.value-1], written[b.name:b.value-1]); c != 0 {
		return c
	}
	return bytes.Compare(written[a.value:a.end], written[b.value:b.end])
}

// pairList is a sort.Interface: slices.SortFunc would be another ten kilobytes in
// every program.
type pairList struct {
	pairs   []pair
	written []byte
}

func (q *pairList) Len() int           { return len(q.pairs) }
func (q *pairList) Less(i, j int) bool { return q.pairs[i].compare(q.pairs[j], q.written) < 0 }
func (q *pairList) Swap(i, j int)      { q.pairs[i], q.pairs[j] = q.pairs[j], q.pairs[i] }

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
		case c == '%' && i+2 < len(s) && IsHex(s[i+1]) && IsHex(s[i+2]):
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		dst = appendByte(dst, c)
	}
	return dst
}

// Escape returns s with every byte escaped that is neither unreserved in
// RFC 3986 nor a slash: the one escaping of a path that S3 signs.
func Escape(s string) string { return string(appendEscaped(make([]byte, 0, len(s)+16), s, "/")) }

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

// IsHex reports whether c is a hexadecimal digit.
func IsHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

// appendTrimmed appends a header value without the white space at its ends,
// and with one space for each run of it inside.
func appendTrimmed(dst []byte, v string) []byte {
	if isTrimmed(v) {
		return append(dst, v...)
	}
	start := len(dst)
	for i := 0; i < len(v); {
		if isSpace(v[i]) {
			i++
			continue
		}
		word := i
		for i < len(v) && !isSpace(v[i]) {
			i++
		}
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		dst = append(dst, v[word:i]...)
	}
	return dst
}

// isTrimmed is for speed: a session token has a kilobyte, and no space.
func isTrimmed(v string) bool {
	for _, c := range [...]byte{'\t', '\n', '\v', '\f', '\r'} {
		if strings.IndexByte(v, c) >= 0 {
			return false
		}
	}
	return !strings.HasPrefix(v, " ") && !strings.HasSuffix(v, " ") && !strings.Contains(v, "  ")
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

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
