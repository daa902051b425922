package stsquery

import (
	"context"
	"strconv"
	"time"

	"github.com/stschain-go/stschain"
)

// renewing is an Input of which something is read anew for each attempt. The
// Input that renew returns is checked and encoded in its place.
type renewing interface {
	renew(ctx context.Context) (Input, error)
}

// query is a request in the AWS query protocol: a form whose values are
// percent-encoded, which every server reads alike ("+" is not), and the secrets
// that were written into it.
type query struct {
	form    []byte
	secrets []stschain.Secret
}

func newQuery(action string) *query {
	q := &query{form: make([]byte, 0, 512)}
	q.form = append(q.form, "Action="...)
	q.form = append(q.form, action...)
	q.form = append(q.form, "&Version=2011-06-15"...)
	return q
}

// name begins a pair. Names need no encoding: letters, digits and dots.
func (q *query) name(name string) {
	q.form = append(q.form, '&')
	q.form = append(q.form, name...)
}

func (q *query) value(value string) {
	q.form = append(q.form, '=')
	q.form = appendEscaped(q.form, value)
}

// add writes a pair, unless the value is empty.
func (q *query) add(name, value string) {
	if value != "" {
		q.name(name)
		q.value(value)
	}
}

// member writes a value of the i-th member, from 0, of a list; of a list of
// structs, its field. An empty value is written too.
func (q *query) member(list string, i int, field, value string) {
	q.name(list)
	q.form = append(q.form, ".member."...)
	q.form = strconv.AppendInt(q.form, int64(i)+1, 10)
	if field != "" {
		q.form = append(q.form, '.')
		q.form = append(q.form, field...)
	}
	q.value(value)
}

// secret is add for a value that no error may show.
func (q *query) secret(name string, value stschain.Secret) {
	if !value.IsZero() {
		q.hide(value)
		q.add(name, value.Reveal())
	}
}

// hide makes a value one that no error may show.
func (q *query) hide(value stschain.Secret) { q.secrets = append(q.secrets, value) }

// number writes n, unless it is 0.
func (q *query) number(name string, n int) {
	if n != 0 {
		q.name(name)
		q.form = append(q.form, '=')
		q.form = strconv.AppendInt(q.form, int64(n), 10)
	}
}

// seconds writes d, unless it is 0.
func (q *query) seconds(name string, d time.Duration) { q.number(name, int(d/time.Second)) }

// appendEscaped appends s with all but RFC 3986's unreserved characters
// percent-encoded.
func appendEscaped(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case isWord(rune(c)), c == '-', c == '.', c == '~':
			b = append(b, c)
		default:
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}
