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

// An address in a dump does not disclose an MFA code.
func TestDigits(t *testing.T) {
	for text, want := range map[string]bool{
		"471108": true, "TokenCode=471108&Version": true, `"471108"`: true, "{471108 0xc000014711}": true,
		"636f64653d343731313038": true, // as %x prints code=471108
		"0xc0471108":             false, "824634711086": false, "0x471108": false, "471108f": false, "4711": false,
	} {
		if got := find("471108", text) != ""; got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

// quiet keeps its text to itself, but not what it wraps.
type quiet struct{ err error }

func (quiet) Error() string   { return "quiet" }
func (q quiet) Unwrap() error { return q.err }
