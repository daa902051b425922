// Package signature computes Signature Version 4 of a request from its parts,
// as they are sent. It does not use net/http, and has options that only test
// vectors need.
//
// The rules are those of "Create a signed AWS API request" in the IAM User Guide;
// where that is ambiguous, the test suite of the AWS SDKs decides.
package signature

import (
	"path"
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
	Name      string
	Values    []string
	Canonical bool // Name is in lower case, and Values have no white space to remove
}

// SortFields sorts fields into the order in which they are signed.
func SortFields(fields []Field) {
	if len(fields) > fewFields {
		sorted := append([]Field(nil), fields...) // otherwise the caller's array would always be on the heap
		sort.Sort(&ordered{
			length: len(sorted),
			less:   func(i, j int) bool { return compareFold(sorted[i].Name, sorted[j].Name) < 0 },
			swap:   func(i, j int) { sorted[i], sorted[j] = sorted[j], sorted[i] },
		})
		copy(fields, sorted)
	} else {
		for i := range fields {
			for ; i > 0 && compareFold(fields[i].Name, fields[i-1].Name) < 0; i-- {
				fields[i], fields[i-1] = fields[i-1], fields[i]
			}
		}
	}
}

// fewFields is how many fields an insertion sort handles well. Ordinary requests sign about five.
const fewFields = 32

// ordered is sorted by sort.Sort, which programs that use net/http link anyway: an instance of slices.SortFunc
// for each type would add 11 kB.
type ordered struct {
	length int
	less   func(i, j int) bool
	swap   func(i, j int)
}

func (o *ordered) Len() int           { return o.length }
func (o *ordered) Less(i, j int) bool { return o.less(i, j) }
func (o *ordered) Swap(i, j int)      { o.swap(i, j) }

// AppendCanonical appends the canonical request.
func AppendCanonical(dst []byte, r *Request) []byte {
	return appendCanonical(dst, r, appendNames(nil, r.Header), nil)
}

// appendCanonical appends the canonical request. names is the list of signed headers; added is an escaped query
// that is signed in addition to that of r.
func appendCanonical(dst []byte, r *Request, names, added []byte) []byte {
	dst = appendPath(appendAll(dst, r.Method, "\n"), r)
	dst = appendQuery(append(dst, '\n'), r.Query, added)
	dst = append(dst, '\n')
	at := 0
	for i := range r.Header {
		f := &r.Header[i]
		dst = append(dst, names[at:at+len(f.Name)]...)
		at += len(f.Name) + len(";")
		dst = append(dst, ':')
		for i, v := range f.Values {
			if i > 0 {
				dst = append(dst, ',')
			}
			if f.Canonical {
				dst = append(dst, v...)
			} else {
				dst = appendTrimmed(dst, v)
			}
		}
		dst = append(dst, '\n')
	}
	dst = append(append(dst, '\n'), names...)
	return appendAll(dst, "\n", r.Payload)
}

// appendNames appends the list of signed headers.
func appendNames(dst []byte, fields []Field) []byte {
	for i := range fields {
		if i > 0 {
			dst = append(dst, ';')
		}
		if fields[i].Canonical {
			dst = append(dst, fields[i].Name...)
		} else {
			dst = appendLower(dst, fields[i].Name)
		}
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

// isTrimmed is for speed: most values have no white space to remove.
func isTrimmed(v string) bool {
	for i := 0; i < len(v); i++ {
		if v[i] > ' ' || !isSpace(rune(v[i])) {
			continue
		}
		if v[i] != ' ' || i == 0 || i == len(v)-1 || v[i-1] == ' ' {
			return false
		}
	}
	return true
}

func isSpace(c rune) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func appendLower(dst []byte, s string) []byte {
	start := len(dst)
	dst = append(dst, s...)
	for i, c := range dst[start:] {
		dst[start+i] = lower(c)
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
