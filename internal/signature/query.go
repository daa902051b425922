package signature

import (
	"bytes"
	"cmp"
	"sort"
	"strings"
)

// AppendQuery appends the canonical query: each name and value decoded, "+"
// read as a space, and escaped again; sorted by name, then by value. A name
// without "=" has an empty value. An empty string between two "&" is not a pair.
func AppendQuery(dst []byte, query string) []byte { return appendQuery(dst, query, nil) }

// appendQuery appends the canonical form of query and added together. The pairs of added are escaped already.
func appendQuery(dst []byte, query string, added []byte) []byte {
	if query == "" && len(added) == 0 {
		return dst
	}
	var few [fewPairs]pair
	pairs := few[:0]
	start := len(dst)
	for more := true; more; {
		var p string
		if p, query, more = strings.Cut(query, "&"); p == "" {
			continue
		}
		var at pair
		name, value, _ := strings.Cut(p, "=")
		dst = separate(dst, len(pairs))
		at.name = len(dst) - start
		dst = append(appendReescaped(dst, name), '=')
		at.value = len(dst) - start
		dst = appendReescaped(dst, value)
		at.end = len(dst) - start
		pairs = append(pairs, at)
	}
	for more := len(added) > 0; more; {
		var p []byte
		p, added, more = bytes.Cut(added, []byte("&"))
		dst = separate(dst, len(pairs))
		at := len(dst) - start
		dst = append(dst, p...)
		pairs = append(pairs, pair{at, at + bytes.IndexByte(p, '=') + 1, at + len(p)})
	}
	return sortPairs(dst, start, pairs)
}

// separate appends what separates a pair from the n before it.
func separate(dst []byte, n int) []byte {
	if n > 0 {
		dst = append(dst, '&')
	}
	return dst
}

// pair has the offsets of a name and a value in the output, and of their end.
type pair struct{ name, value, end int }

func (a pair) compare(b pair, written []byte) int {
	return cmp.Or(bytes.Compare(written[a.name:a.value-1], written[b.name:b.value-1]),
		bytes.Compare(written[a.value:a.end], written[b.value:b.end]))
}

// fewPairs is how many pairs an insertion sort handles well.
const fewPairs = 16

// sortPairs sorts the pairs that were written to dst from start on.
func sortPairs(dst []byte, start int, pairs []pair) []byte {
	written := dst[start:]
	unsorted := 1
	for unsorted < len(pairs) && pairs[unsorted-1].compare(pairs[unsorted], written) <= 0 {
		unsorted++
	}
	if unsorted >= len(pairs) {
		return dst
	}
	if len(pairs) > fewPairs {
		sorted := append([]pair(nil), pairs...) // as in SortFields
		sort.Sort(&ordered{
			length: len(sorted),
			less:   func(i, j int) bool { return sorted[i].compare(sorted[j], written) < 0 },
			swap:   func(i, j int) { sorted[i], sorted[j] = sorted[j], sorted[i] },
		})
		copy(pairs, sorted)
	} else {
		for i := range pairs {
			for ; i > 0 && pairs[i].compare(pairs[i-1], written) < 0; i-- {
				pairs[i], pairs[i-1] = pairs[i-1], pairs[i]
			}
		}
	}
	end := len(dst)
	for i, p := range pairs { // behind the unsorted ones, which they then replace
		dst = append(separate(dst, i), written[p.name:p.end]...)
	}
	copy(dst[start:], dst[end:])
	clear(dst[end:]) // dst is used again for other callers
	return dst[:end]
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
