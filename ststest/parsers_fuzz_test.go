package ststest_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/ststest"
)

// FuzzTags: session tags that are accepted are those that were sent, whatever order and numbers
// the list has, and the server returns a message of its own otherwise.
func FuzzTags(f *testing.F) {
	f.Add("Tags.member.1.Key", "team", "Tags.member.1.Value", "a b", 1)
	f.Add("Tags.member.2.Key", "team", "Tags.member.2.Value", "x", 2)
	f.Add("Tags.member.01.Key", "", "Tags.member.-1.Value", "ü", 3)
	f.Add("Tags.member.9223372036854775807.Key", "k", "Tags.member..Value", "", 1)
	srv := fuzzed()
	f.Fuzz(func(t *testing.T, keyName, key, valueName, value string, n int) {
		v := form("AssumeRole", "RoleArn", roleARN, "RoleSessionName", "nightly")
		v.Set("Tags.member."+strconv.Itoa(n)+".Key", "n")
		v.Set("Tags.member."+strconv.Itoa(n)+".Value", "v")
		v.Set(keyName, key)
		v.Set(valueName, value)
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, signed(t.Context(), host, v.Encode(), fuzzKeys, time.Now()))
		if rec.Code != http.StatusOK {
			if rec.Code != 400 && rec.Code != 403 || rec.Body.Len() > 1<<20 {
				t.Fatalf("%d %s", rec.Code, rec.Body)
			}
			return
		}
		_, rest, _ := strings.Cut(rec.Body.String(), "<AccessKeyId>")
		id, _, _ := strings.Cut(rest, "<")
		caller, ok := srv.Caller(id)
		if !ok {
			t.Fatalf("no user has the key of %s", rec.Body)
		}
		want := map[string]string{}
		for name := range v {
			if list, ok := strings.CutSuffix(name, ".Key"); ok && strings.HasPrefix(list, "Tags.member.") {
				want[v.Get(name)] = v.Get(list + ".Value")
			}
		}
		for k, value := range caller.Tags {
			if want[k] != value {
				t.Fatalf("%v became %v", want, caller.Tags)
			}
		}
		if len(caller.Tags) != len(want) {
			t.Fatalf("%v became %v", want, caller.Tags)
		}
	})
}

// FuzzTOTP: a code is six digits, of a seed in any spelling, and is taken in its own step and in
// those next to it, except by chance.
func FuzzTOTP(f *testing.F) {
	f.Add("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", int64(59))
	f.Add("gezd gnbv==", int64(-1))
	f.Add("not base32!", int64(1)<<60)
	f.Fuzz(func(t *testing.T, seed string, unix int64) {
		d := ststest.TOTP{Secret: stschain.NewSecret(seed)}
		at := time.Unix(unix%(1<<40), 0)
		code := d.Code(at)
		if code == "" {
			if d.Verify("", at) || d.Verify("000000", at) {
				t.Fatalf("the seed %q verifies", seed)
			}
			return
		}
		if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("%q", code)
		}
		if spelled := (ststest.TOTP{Secret: stschain.NewSecret(strings.ToLower(strings.TrimRight(seed, "=")) + "==")}); spelled.Code(at) != code {
			t.Fatalf("another spelling of %q has another code", seed)
		}
		step := at.Truncate(30 * time.Second)
		for _, later := range []time.Duration{-30 * time.Second, 0, 30 * time.Second} {
			if !d.Verify(code, at.Add(later)) {
				t.Fatalf("the code of %v is refused %v later", at, later)
			}
		}
		var shown []string
		for n := -2; n <= 2; n++ {
			shown = append(shown, d.Code(step.Add(time.Duration(n)*30*time.Second)))
		}
		if far := at.Add(time.Hour); d.Verify(code, far) && !slices.ContainsFunc([]int{-1, 0, 1}, func(n int) bool {
			return d.Code(far.Add(time.Duration(n)*30*time.Second)) == code
		}) {
			t.Fatalf("the code of %v is taken an hour later; near it are %q", at, shown)
		}
	})
}
