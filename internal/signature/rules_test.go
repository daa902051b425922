package signature_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/signature"
)

// A field that says that it is canonical is signed as it is, and one that does not is made so: the results are equal.
func TestCanonicalFields(t *testing.T) {
	canonical := func(is bool, fields ...signature.Field) string {
		for i := range fields {
			fields[i].Canonical = is
		}
		return string(signature.AppendCanonical(nil, &signature.Request{Method: "GET", Header: fields}))
	}
	fields := []signature.Field{{Name: "host", Values: []string{"h", "i"}}, {Name: "x-amz-date", Values: []string{"d"}}}
	want := "GET\n/\n\nhost:h,i\nx-amz-date:d\n\nhost;x-amz-date\n"
	require.Equal(t, want, canonical(true, fields...))
	require.Equal(t, want, canonical(false, fields...))
	require.Equal(t, strings.Replace(want, "host:h,i", "host: h,i", 1), canonical(true, signature.Field{Name: "host", Values: []string{" h", "i"}}, fields[1]))
}

// Names are sorted and written in lower case, with the letters from A to Z only.
func TestFieldNames(t *testing.T) {
	fields := []signature.Field{{Name: "Z"}, {Name: "[b"}, {Name: "Aa"}, {Name: "@"}, {Name: "a"}, {Name: "zA"}, {Name: "A-Z"}}
	signature.SortFields(fields)
	canonical := string(signature.AppendCanonical(nil, &signature.Request{Method: "GET", Header: fields}))
	require.Equal(t, "@;[b;a;a-z;aa;z;za", strings.Split(canonical, "\n")[len(fields)+4])
}

// Fields with one name keep their order, as their values do.
func TestFieldOrder(t *testing.T) {
	fields := []signature.Field{{Name: "b", Values: []string{"1"}}, {Name: "B", Values: []string{"0"}}, {Name: "a"}, {Name: "b", Values: []string{"2"}}}
	signature.SortFields(fields)
	require.Equal(t, []signature.Field{{Name: "a"}, {Name: "b", Values: []string{"1"}}, {Name: "B", Values: []string{"0"}}, {Name: "b", Values: []string{"2"}}}, fields)
}

// The parameters of a signature are sorted among those of the caller, also where one name begins another.
func TestPresignedParametersAreSorted(t *testing.T) {
	key, err := new(signature.Keys).Get(credentials("AKID", "secret", "token"), scope, at)
	require.NoError(t, err)
	for _, name := range []string{"Algorithm", "Credential", "Date", "SignedHeaders", "Expires", "Security-Token"} {
		for n := range name {
			r := &signature.Request{Method: "GET", Payload: "p", Query: "X-Amz-" + name[:n] + "=1&X-Amz-" + name + "-=2"}
			unsigned, sig, _ := strings.Cut(query(key, r, date, signature.Presigning{Seconds: 1}), "&X-Amz-Signature=")
			require.Equal(t, signed("secret", scope, &signature.Request{Method: "GET", Payload: "p", Query: unsigned}), sig, r.Query)
		}
	}
}

// White space is what isspace of C says.
func TestWhiteSpace(t *testing.T) {
	for c := range 256 {
		v := "a" + string([]byte{byte(c)}) + "b"
		want := v
		if strings.Contains(" \t\n\v\f\r", v[1:2]) {
			want = "a b"
		}
		got := string(signature.AppendTrimmed(nil, v))
		if c < 0x80 {
			require.Equal(t, want, got, "%q", v)
		}
	}
}

// IsTrimmed must not be wrong about a value that has white space to remove, and would be no use if it never spared the work.
func TestIsTrimmed(t *testing.T) {
	alphabet := []string{"", "a", "\x0e", "!", " ", "\t", "\r"}
	for n := range len(alphabet) * len(alphabet) * len(alphabet) * len(alphabet) {
		var v string
		for rest := n; rest > 0; rest /= len(alphabet) {
			v += alphabet[rest%len(alphabet)]
		}
		want := strings.Join(strings.FieldsFunc(v, func(c rune) bool { return strings.ContainsRune(" \t\n\v\f\r", c) }), " ")
		require.Equal(t, want, string(signature.AppendTrimmed(nil, v)), "%q", v)
		require.Equal(t, want == v, signature.IsTrimmed(v), "%q", v)
	}
}

func TestIsEscaped(t *testing.T) {
	for _, test := range []struct {
		s, keep string
		want    bool
	}{
		{"", "", true}, {"aZ09-._~", "", true}, {"a/b", "", false}, {"a/b", "/", true}, {"/", ":/", true}, {"/", "/:", true}, {"a b", "/", false}, {" ", "", false}, {"é", "", false},
	} {
		require.Equal(t, test.want, signature.IsEscaped(test.s, test.keep), "%q", test)
		require.Equal(t, test.want, signature.Escape(test.s, test.keep) == test.s, "%q", test)
	}
}

// Every escape of a byte is read, in both cases of its digits.
func TestHexDigits(t *testing.T) {
	for c := range 256 {
		want := "a=" + signature.Escape(string([]byte{byte(c)}), "")
		require.Equal(t, want, string(signature.AppendQuery(nil, fmt.Sprintf("a=%%%02x", c))))
		require.Equal(t, want, string(signature.AppendQuery(nil, fmt.Sprintf("a=%%%02X", c))))
	}
	for _, malformed := range []string{"%", "%4", "%4g", "%g4", "%/0", "%0:", "%@0", "%0`", "%G0", "%0G"} {
		require.Equal(t, "a="+strings.NewReplacer("%", "%25", "/", "%2F", ":", "%3A", "@", "%40", "`", "%60").Replace(malformed),
			string(signature.AppendQuery(nil, "a="+malformed)))
	}
}

// IAM Roles Anywhere signs as its documentation says: the serial number stands for the access key ID.
func TestCertificate(t *testing.T) {
	c := signature.Certificate{Algorithm: "AWS4-X509-RSA-SHA256", Serial: "4711", Time: date, Scope: scope}
	r := &signature.Request{Method: "POST", Path: "/sessions", Payload: "p",
		Header: []signature.Field{{Name: "Host", Values: []string{"h"}}, {Name: "X-Amz-Date", Values: []string{date}}}}
	sum := sha256.Sum256([]byte("POST\n/sessions\n\nhost:h\nx-amz-date:" + date + "\n\nhost;x-amz-date\np"))
	require.Equal(t, "AWS4-X509-RSA-SHA256\n"+date+"\n20150830/us-east-1/iam/aws4_request\n"+hex.EncodeToString(sum[:]), string(c.StringToSign(r)))
	require.Equal(t, "AWS4-X509-RSA-SHA256 Credential=4711/20150830/us-east-1/iam/aws4_request, SignedHeaders=host;x-amz-date, Signature=00ff",
		c.Authorization(r, []byte{0, 0xff}))
}

// The fields and pairs that are many are sorted as few are.
func TestSortMany(t *testing.T) {
	for n := range 40 {
		var fields []signature.Field
		var query []string
		for i := range n {
			fields = append(fields, signature.Field{Name: fmt.Sprintf("N%02d", (i*7+3)%n)})
			query = append(query, fmt.Sprintf("n=%02d", (i*7+3)%n))
		}
		signature.SortFields(fields)
		sorted := strings.Split(string(signature.AppendQuery(nil, strings.Join(query, "&"))), "&")
		for i := 1; i < n; i++ {
			require.LessOrEqual(t, fields[i-1].Name, fields[i].Name)
			require.LessOrEqual(t, sorted[i-1], sorted[i])
		}
	}
}
