package wire_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// FuzzCause: an error of a transport is returned without the URL, and not at all if it contains the secret, as it
// is or as a form has it.
func FuzzCause(f *testing.F) {
	f.Add("connection reset", "s3cr3t/+=")
	f.Add("Post https://h/?t=s3cr3t%2F%2B%3D: reset", "s3cr3t/+=")
	f.Add("", "")
	f.Add("S", "s\x98")
	f.Fuzz(func(t *testing.T, text, secret string) {
		if strings.ContainsFunc(secret, func(r rune) bool { return r < '!' || r > '~' }) {
			t.Skip("no secret of AWS, and parts of it are not compared")
		}
		cause := errors.New(text)
		wrapped := &url.Error{Op: "Post", URL: "https://h.example/?Token=" + url.QueryEscape(secret), Err: fmt.Errorf("again: %w", &url.Error{Op: "Get", URL: "https://other.example/" + secret, Err: cause})}
		got := wire.Cause(context.Background(), wrapped, stschain.NewSecret(secret), stschain.Secret{})
		holds := secret != "" && (strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret)))
		if errors.Is(got, cause) && holds || !errors.Is(got, cause) && secret == "" {
			t.Fatalf("%q with the secret %q became %v", text, secret, got)
		}
		if holds && len(secret) > 20 && strings.Contains(got.Error(), secret) {
			t.Fatalf("%v shows %q", got, secret)
		}
	})
}

// FuzzLoopback: only what cannot lead to another machine is this one.
func FuzzLoopback(f *testing.F) {
	for _, host := range []string{"localhost", "LOCALHOST", "127.0.0.1", "127.1", "::1", "::ffff:127.0.0.1", "::1%lo", "localhost.", "10.0.0.1", "0.0.0.0", "localhost.evil", "localho\u017ft", ""} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		lower := strings.ToLower(host)
		address, _, _ := strings.Cut(lower, "%")
		want := lower == "localhost" || strings.HasPrefix(address, "127.") || strings.Contains(address, ":")
		if wire.IsLoopback(host) && !want {
			t.Fatalf("%q is taken for this machine", host)
		}
	})
}
