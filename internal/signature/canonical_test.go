package signature_test

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/signature"
)

func TestQuery(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"acl":                   "acl=",
		"acl=":                  "acl=",
		"=v":                    "=v",
		"&&a=1&":                "a=1",
		"a=b=c":                 "a=b%3Dc",
		"b=2&a=1":               "a=1&b=2",
		"a=2&a=10&a=1":          "a=1&a=10&a=2",
		"Param-3=x&Param=y":     "Param=y&Param-3=x",
		"a+b=c%20d":             "a%20b=c%20d",
		"a=%2B%2b+":             "a=%2B%2B%20",
		"a=~%7E%7e":             "a=~~~",
		"a=/:;,*'()!@$":         "a=%2F%3A%3B%2C%2A%27%28%29%21%40%24",
		"a=%zz&b=%":             "a=%25zz&b=%25",
		"prefix=a/b&delimiter=": "delimiter=&prefix=a%2Fb",
	} {
		require.Equal(t, want, string(signature.AppendQuery(nil, in)), "query %q", in)
	}
}

func TestPath(t *testing.T) {
	for in, want := range map[string]struct{ normal, s3 string }{
		"":             {"/", "/"},
		"/":            {"/", "/"},
		"//":           {"/", "//"},
		"/a/../..":     {"/", "/a/../.."},
		"/../../a":     {"/a", "/../../a"},
		"/a/./b//c/":   {"/a/b/c/", "/a/./b//c/"},
		"/a/b/..":      {"/a", "/a/b/.."},
		"/a/b/../":     {"/a/", "/a/b/../"},
		"/a%20b":       {"/a%2520b", "/a%20b"},
		"/a:b,c":       {"/a%3Ab%2Cc", "/a:b,c"},
		"/...":         {"/...", "/..."},
		"/a%2F..%2Fb/": {"/a%252F..%252Fb/", "/a%2F..%2Fb/"},
	} {
		require.Equal(t, want.normal, canonicalPath(signature.Request{Path: in}), "path %q", in)
		require.Equal(t, want.s3, canonicalPath(signature.Request{Path: in, RawPath: true, EscapedOnce: true}), "path %q for S3", in)
	}
}

func canonicalPath(r signature.Request) string {
	return strings.Split(string(signature.AppendCanonical(nil, &r)), "\n")[1]
}

func TestHeaderValues(t *testing.T) {
	fields := []signature.Field{
		{Name: "X-Amz-B", Values: []string{" \t a \t  b\r\n  c\v", "", "d "}},
		{Name: "host", Values: []string{"h"}},
		{Name: "x-amz", Values: []string{"shorter first"}},
		{Name: "x-Amz-A", Values: []string{"\t"}},
	}
	signature.SortFields(fields)
	got := string(signature.AppendCanonical(nil, &signature.Request{Method: "GET", Header: fields, Payload: "p"}))
	want := "GET\n/\n\nhost:h\nx-amz:shorter first\nx-amz-a:\nx-amz-b:a b c,,d\n\nhost;x-amz;x-amz-a;x-amz-b\np"
	require.Equal(t, want, got)
}

// TestSortManyFields: a gateway passes on as many headers as its clients send
// (an insertion sort took 20 s of CPU for 1 MiB of headers).
func TestSortManyFields(t *testing.T) {
	var fields []signature.Field
	for i := range 100_000 {
		fields = append(fields, signature.Field{Name: fmt.Sprintf("X-AMZ-%07x", i*7919%1_000_003)})
	}
	start := time.Now()
	signature.SortFields(fields)
	require.Less(t, time.Since(start), 15*time.Second)
	require.True(t, slices.IsSortedFunc(fields, func(a, b signature.Field) int { return strings.Compare(a.Name, b.Name) }))
	for _, n := range []int{0, 1, 31, 32, 33, 500} {
		few := slices.Clone(fields[:n])
		slices.Reverse(few)
		signature.SortFields(few)
		require.Equal(t, fields[:n], few)
	}
}

// A canonical query is its own canonical form, and net/url reads the same pairs
// in it as in the original.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "a=1&a=0&b", "x=%41+%2b&&=&%", "ሴ=bar&a-b=&a=~", "q=a;b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if strings.Count(query, "&") >= 10_000 {
			return // net/url reads no more
		}
		got := string(signature.AppendQuery(nil, query))
		if again := string(signature.AppendQuery(nil, got)); again != got {
			t.Fatalf("canonical form of %q is %q, and of that %q", query, got, again)
		}
		have, err := url.ParseQuery(got)
		if err != nil {
			t.Fatalf("canonical form of %q is %q: %v", query, got, err)
		}
		want, err := url.ParseQuery(query)
		if err != nil {
			return // net/url omits what it cannot read
		}
		for name := range want {
			slices.Sort(want[name])
			slices.Sort(have[name])
			if !slices.Equal(want[name], have[name]) {
				t.Fatalf("%q: values of %q are %q, canonical ones %q", query, name, want[name], have[name])
			}
		}
		if len(want) != len(have) {
			t.Fatalf("%q has the names of %v, its canonical form those of %v", query, want, have)
		}
	})
}

// The canonical path is what path.Clean says, with the slash at the end that it
// drops, escaped so that decoding gives it back.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"", "/", "//a/./../b/", "/a%20b/ሴ", "/..", "a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if strings.ContainsRune(in, '\n') {
			return // net/url has none, and it would spoil the taking apart
		}
		got := canonicalPath(signature.Request{Path: in})
		decoded, err := url.PathUnescape(got)
		if err != nil {
			t.Fatalf("path %q: %q: %v", in, got, err)
		}
		want := path.Clean("/" + in)
		if want != "/" && strings.HasSuffix(in, "/") {
			want += "/"
		}
		if decoded != want {
			t.Fatalf("path %q: got %q, which is %q; want %q", in, got, decoded, want)
		}
		if canonicalPath(signature.Request{Path: got, EscapedOnce: true}) != got {
			t.Fatalf("path %q: %q is not clean", in, got)
		}
		if e := signature.Escape(in, "/"); mustUnescape(t, e) != in || signature.Escape(mustUnescape(t, e), "/") != e {
			t.Fatalf("path %q escapes to %q", in, e)
		}
	})
}

func mustUnescape(t *testing.T, s string) string {
	got, err := url.PathUnescape(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
