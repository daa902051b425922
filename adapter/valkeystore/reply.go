package valkeystore

import (
	"fmt"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"
)

// reply reads what a script returned. Its first error stays.
type reply struct {
	operation operation
	key       string
	fields    []valkey.ValkeyMessage
	err       error
}

// has reports whether there is a field i.
func (r *reply) has(i int) bool { return i < len(r.fields) }

func (r *reply) string(i int) string {
	if r.has(i) {
		text, err := r.fields[i].ToString()
		if err == nil {
			return text
		}
	}
	r.invalid(i)
	return ""
}

// uint returns a number, which scripts return as an integer or, if it may be large, as a string.
func (r *reply) uint(i int) uint64 {
	if r.has(i) && r.fields[i].IsInt64() {
		if n, err := r.fields[i].AsInt64(); err == nil && n >= 0 {
			return uint64(n)
		}
	} else if r.has(i) && r.fields[i].IsString() {
		if n, err := r.fields[i].AsUint64(); err == nil {
			return n
		}
	}
	r.invalid(i)
	return 0
}

func (r *reply) milliseconds(i int) time.Duration {
	n := r.uint(i)
	if n > uint64(time.Duration(1<<63-1)/time.Millisecond) {
		r.invalid(i)
		return 0
	}
	return time.Duration(n) * time.Millisecond
}

func (r *reply) invalid(i int) {
	if r.err == nil {
		r.err = fmt.Errorf("valkeystore: %s %s: unexpected reply: field %s of %d is invalid: is Client.InitAddress a Valkey or Redis server?",
			r.operation, short(r.key), strconv.Itoa(i+1), len(r.fields))
	}
}

// error returns the error of what was read, or otherwise err.
func (r *reply) error(err error) error {
	if r.err != nil {
		return r.err
	}
	return err
}
