package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
)

func secrets(all ...string) (list []stschain.Secret) {
	for _, s := range all {
		list = append(list, stschain.NewSecret(s))
	}
	return list
}

func TestText(t *testing.T) {
	const secret = "canary-4711-token"
	for text, want := range map[string]string{
		"access\r\n denied":             "access denied",
		"the token " + secret:           redact.Withheld,
		"the token y-4711-token":        redact.Withheld,
		"the token canary-\n4711-token": redact.Withheld,
		"the token canary-4711":         "the token canary-4711",
		"the code 123456":               redact.Withheld, // all of a short secret
		"the code MTIzNDU2":             redact.Withheld,
		"the code 12345":                "the code 12345",
		`100 % of <a> & b; \d+, %zz`:    `100 % of <a> & b; \d+, %zz`,
		strings.Repeat("x", 600):        strings.Repeat("x", 512) + " ...",
	} {
		require.Equal(t, want, redact.Text(text, secrets(secret, "123456", "")), text)
	}
}

// The error of a transport is returned without its URLs.
func TestError(t *testing.T) {
	cause := errors.New("reset")
	wrapped := fmt.Errorf("call: %w", &url.Error{Op: "Get", URL: "http://h/token", Err: &url.Error{Op: "Get", URL: "http://h", Err: cause}})
	require.Equal(t, cause, redact.Error(wrapped, secrets("")))
	require.EqualError(t, redact.Error(errors.New("sent a-secret-of-mine"), secrets("a-secret-of-mine")),
		"the transport failed, and its error is not shown, since it holds what was sent")
}

// hexOf returns each byte that a function selects in a format, and the others as they are.
func hexOf(format, selected string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			if selected == "" || strings.IndexByte(selected, c) >= 0 {
				fmt.Fprintf(&b, format, c)
			} else {
				b.WriteByte(c)
			}
		}
		return b.String()
	}
}

func base64After(prefix string, e *base64.Encoding) func(string) string {
	return func(s string) string { return e.EncodeToString([]byte(prefix + s + "?")) }
}

func inJSON(s string) string {
	text, _ := json.Marshal(s)
	return strings.Trim(string(text), `"`)
}

var lowerHex = regexp.MustCompile("%..")

// encodings are what servers and proxies do to a text that they repeat.
var encodings = []struct {
	name   string
	encode func(string) string
}{
	{"as it is", func(s string) string { return s }},
	{"query", url.QueryEscape},
	{"query, lower case", func(s string) string { return lowerHex.ReplaceAllStringFunc(url.QueryEscape(s), strings.ToLower) }},
	{"query, twice", func(s string) string { return url.QueryEscape(url.QueryEscape(s)) }},
	{"path", url.PathEscape},
	{"only + and =", hexOf("%%%02x", "+=")},
	{"all percent", hexOf("%%%02X", "")},
	{"HTML", html.EscapeString},
	{"HTML, decimal", hexOf("&#%d;", "+/=")},
	{"HTML, hexadecimal", hexOf("&#x%X;", "")},
	{"JSON", inJSON},
	{"JSON, slashes", func(s string) string { return strings.ReplaceAll(inJSON(s), "/", `\/`) }},
	{"JSON, all", hexOf(`\u%04x`, "")},
	{"base64", base64After("", base64.StdEncoding)},
	{"base64 after a byte", base64After("x", base64.RawStdEncoding)},
	{"base64url after two", base64After("xy", base64.URLEncoding)},
	{"hexadecimal", func(s string) string { return hex.EncodeToString([]byte(s)) }},
	{"HEXADECIMAL", func(s string) string { return fmt.Sprintf("%X", s) }},
	{"wrapped", func(s string) string {
		var lines []string
		for ; len(s) > 7; s = s[7:] {
			lines = append(lines, s[:7])
		}
		return strings.Join(append(lines, s), "\r\n\t")
	}},
}

const (
	token = `FwoGZXIvYXdzEN7//////////wEaDGV4+/Ba=`
	jwt   = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwic3ViIjoiYm9iIn0.c2lnbmF0dXJl"
)

func TestShows(t *testing.T) {
	payload := strings.Split(jwt, ".")[1]
	for _, e := range encodings {
		for _, secret := range []string{token, jwt, `pass word %41\u0042&amp;"'+<ü`} {
			for _, shown := range []string{secret, strings.ToUpper(e.encode(secret)), strings.ToLower(secret)} {
				text := e.encode(shown)
				require.True(t, redact.Shows("received "+text+", which is wrong", secrets("another secret", secret)), "%s: %s", e.name, text)
			}
		}
		require.True(t, redact.Shows("<m>"+e.encode(payload), secrets(jwt)), e.name)
		require.True(t, redact.Shows(e.encode(token[20:32]), secrets(token)), e.name)
	}
	require.False(t, redact.Shows(token[20:31], secrets(token)))
	require.False(t, redact.Shows("The security token included in the request is expired", secrets(token, jwt)))
}

// A text that takes long to decode, and long secrets.
func TestShowsBounded(t *testing.T) {
	long := secrets(strings.Repeat(token, 500))
	for _, text := range []string{strings.Repeat("+%25&#", 5000), strings.Repeat("2525", 5000), strings.Repeat("QUFB", 5000), strings.Repeat("x", 1<<20)} {
		began := time.Now()
		redact.Shows(text, long)
		require.Less(t, time.Since(began), 2*time.Second)
	}
}

func TestMalformed(t *testing.T) {
	for value, want := range map[string][2]string{
		"":         {},
		"AKID+/~":  {},
		"AKID\r\n": {"the key contains white space; trim it where it is read", "the key contains white space; trim it where it is read"},
		"AK\u2028": {"the key contains white space; trim it where it is read", "the key contains white space; trim it where it is read"},
		"AK\x7fID": {"the key contains a control character; copy it again", "the key contains a control character; copy it again"},
		"AKIDÉ":    {"", "the key contains a character beyond ASCII, which no access key ID has; copy it again"},
	} {
		for i, err := range []error{redact.Malformed("the key", value), redact.MalformedID("the key", value)} {
			if want[i] == "" {
				require.NoError(t, err, "%q", value)
			} else {
				require.EqualError(t, err, want[i], "%q", value)
			}
		}
	}
}
