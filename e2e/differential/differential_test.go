// Package differential_test does the same work with this library and with aws-sdk-go-v2, on
// random input, and compares the results.
//
//	go test ./differential -signer 1000000 -sigv4a 20000 -encoder 200000 -endpoints 50000 -setups 50000
package differential_test

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stschain-go/stschain/e2e/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

var (
	signerInputs   = flag.Int("signer", 20_000, "how many requests are signed, and how many presigned")
	sigv4aInputs   = flag.Int("sigv4a", 2_000, "how many requests are signed with SigV4a by each; 20,000 before a release")
	encoderInputs  = flag.Int("encoder", 5_000, "how many inputs are encoded")
	endpointInputs = flag.Int("endpoints", 20_000, "how many endpoints are resolved")
	first          = flag.Uint64("first", 1, "the first seed; a difference names its own")
)

// random draws inputs. Each seed is one input.
type random struct{ *rand.Rand }

func drawing(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 7))} }

func (r random) chance(percent int) bool { return r.IntN(100) < percent }

func oneOf[T any](r random, of ...T) T { return of[r.IntN(len(of))] }

var runes = []rune("abcXYZ019-_.~ +%/&=?#:@!$'()*,;[]\"<>\\^`{|}äß€漢字😀\u00a0")

// text is of the runes that encoders trip over.
func (r random) text(most int) string {
	var b strings.Builder
	for range r.IntN(most + 1) {
		b.WriteRune(oneOf(r, runes...))
	}
	return b.String()
}

const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func (r random) word(least, most int) string {
	b := make([]byte, least+r.IntN(most-least+1))
	for i := range b {
		b[i] = plain[r.IntN(len(plain))]
	}
	return string(b)
}

// tally counts the differences that are as they should be, by their reason.
type tally map[string]int

func (y tally) report(t *testing.T, inputs int) {
	t.Helper()
	t.Logf("%d inputs", inputs)
	for reason, n := range y {
		t.Logf("%d differ: %s", n, reason)
	}
}
