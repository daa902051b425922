package stsquery

import (
	"context"
	"strconv"
	"time"

	"github.com/stschain-go/stschain"
)

// renewing is an Input with a part that is read again for each attempt. The Input that renew returns is
// checked and encoded instead.
type renewing interface {
	renew(ctx context.Context) (Input, error)
}

// query is a request in the AWS query protocol: a form whose values are
// percent-encoded, which every server decodes in the same way (unlike "+"), and
// the secrets in it.
type query struct {
	form    []byte
	secrets []stschain.Secret
}

func newQuery(action string) query {
	q := query{form: make([]byte, 0, 512)}
	q.form = append(q.form, "Action="...)
	q.form = append(q.form, action...)
	q.form = append(q.form, "&Version=2011-06-15"...)
	return q
}

// name begins a pair. Names consist of letters, digits and dots, which need no encoding.
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

// member writes a value of the i-th member, from 0, of a list; of a list of structs, its field. An empty
// value is written too.
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

// members writes a list, or of a list of structs, one field.
func (q *query) members(list, field string, values []string) {
	for i, value := range values {
		q.member(list, i, field, value)
	}
}

func (q *query) tags(tags []Tag) {
	for i, t := range tags {
		q.member("Tags", i, "Key", t.Key)
		q.member("Tags", i, "Value", t.Value)
	}
}

// secret is add for a value that no error may show.
func (q *query) secret(name string, value stschain.Secret) {
	if !value.IsZero() {
		q.add(name, value.Reveal())
		q.secrets = append(q.secrets, value)
	}
}

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

// appendEscaped appends s with all but RFC 3986's unreserved characters percent-encoded.
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
