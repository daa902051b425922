package canary

import (
	"errors"
	"fmt"
	"testing"
)

// A check that finds nothing in what does leak would prove nothing.
func TestShown(t *testing.T) {
	const secret = "canary/4711"
	type leaky struct{ hidden string }
	type named string
	for _, v := range []any{
		secret, named(secret), []byte(secret), leaky{secret}, &leaky{secret},
		errors.New(secret), fmt.Errorf("outer: %w", quiet{errors.New(secret)}),
	} {
		found := false
		for _, text := range shown(v) {
			found = found || find(secret, text) != ""
		}
		if !found {
			t.Errorf("the secret in %T was not found", v)
		}
	}
	Check(t, secret, "nothing", 4711, errors.New("canary"))
}

// quiet keeps its text to itself, but not what it wraps.
type quiet struct{ err error }

func (quiet) Error() string   { return "quiet" }
func (q quiet) Unwrap() error { return q.err }
