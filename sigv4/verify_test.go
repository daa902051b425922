package sigv4_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
)

// verifier verifies requests as they arrive, independently: it escapes with net/url.
type verifier struct {
	service, region string
	known           []stschain.Credentials
}

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

type fixedClock time.Time

func (c fixedClock) Now() time.Time { return time.Time(c) }

func creds(id string) stschain.Credentials {
	return stschain.Credentials{
		AccessKeyID:     id,
		SecretAccessKey: stschain.NewSecret("secret-of-" + id),
		SessionToken:    stschain.NewSecret("token/of+" + id + "=="),
	}
}

// verify returns the access key ID that signed r, by header or in the query.
func (v verifier) verify(r *http.Request, body []byte) (id string, signed []string, err error) {
	if strings.Contains(r.RequestURI, "#") || r.URL.Fragment != "" {
		return "", nil, fmt.Errorf("a fragment was sent: %q", r.RequestURI)
	}
	rawPath, rawQuery, _ := strings.Cut(r.RequestURI, "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return "", nil, fmt.Errorf("query as sent: %w", err)
	}
	auth := map[string]string{}
	payload := sha256hex(body)
	presigned := query.Has("X-Amz-Signature")
	if presigned {
		for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
			auth[name] = query.Get("X-Amz-" + name)
		}
		auth["date"], auth["token"] = query.Get("X-Amz-Date"), query.Get("X-Amz-Security-Token")
		query.Del("X-Amz-Signature")
		if v.service == "s3" {
			payload = "UNSIGNED-PAYLOAD"
			if sum := query.Get("X-Amz-Content-Sha256"); sum != "" {
				payload = sum
			}
		}
		if v.service == "iotdevicegateway" { // it adds the token back only after it has verified
			query.Del("X-Amz-Security-Token")
		}
	} else {
		text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
		if !ok {
			return "", nil, fmt.Errorf("Authorization is %q", r.Header.Get("Authorization"))
		}
		for part := range strings.SplitSeq(text, ", ") {
			name, value, _ := strings.Cut(part, "=")
			auth[name] = value
		}
		auth["date"], auth["token"] = r.Header.Get("X-Amz-Date"), r.Header.Get("X-Amz-Security-Token")
		sum := r.Header.Get("X-Amz-Content-Sha256")
		switch {
		case v.service == "s3" && sum == "":
			return "", nil, fmt.Errorf("S3 wants X-Amz-Content-Sha256")
		case sum == "UNSIGNED-PAYLOAD":
			payload = sum
		case sum != "" && sum != payload:
			return "", nil, fmt.Errorf("X-Amz-Content-Sha256 is %s, the body has %s", sum, payload)
		}
	}
	if v.service == "vpc-lattice-svcs" {
		if payload = "UNSIGNED-PAYLOAD"; r.Header.Get("X-Amz-Content-Sha256") != payload {
			return "", nil, fmt.Errorf("VPC Lattice wants X-Amz-Content-Sha256: UNSIGNED-PAYLOAD, and got %q", r.Header.Get("X-Amz-Content-Sha256"))
		}
	}
	id, scope, _ := strings.Cut(auth["Credential"], "/")
	if want := strings.Join([]string{auth["date"][:8], v.region, v.service, "aws4_request"}, "/"); scope != want {
		return "", nil, fmt.Errorf("scope is %q, want %q", scope, want)
	}
	i := slices.IndexFunc(v.known, func(c stschain.Credentials) bool { return c.AccessKeyID == id })
	if i < 0 {
		return "", nil, fmt.Errorf("access key %q is not known", id)
	}
	keys := v.known[i]
	if auth["token"] != keys.SessionToken.Reveal() {
		return "", nil, fmt.Errorf("token is %q", auth["token"])
	}

	canonicalPath, err := url.PathUnescape(rawPath)
	if err != nil {
		return "", nil, err
	}
	if v.service != "s3" {
		canonicalPath = path.Clean(rawPath)
		if canonicalPath != "/" && strings.HasSuffix(rawPath, "/") {
			canonicalPath += "/"
		}
	}
	segments := strings.Split(canonicalPath, "/")
	for i := range segments {
		segments[i] = escape(segments[i])
	}
	signed = strings.Split(auth["SignedHeaders"], ";")
	if !slices.IsSorted(signed) {
		return "", nil, fmt.Errorf("signed headers are not sorted: %q", signed)
	}
	var pairs []string
	for name, values := range query {
		for _, value := range values {
			pairs = append(pairs, escape(name)+"\x00"+escape(value))
		}
	}
	slices.Sort(pairs)
	lines := []string{
		r.Method, strings.Join(segments, "/"),
		strings.ReplaceAll(strings.Join(pairs, "&"), "\x00", "="),
	}
	for _, name := range signed {
		values := r.Header.Values(name)
		switch name {
		case "host":
			values = []string{r.Host}
		case "content-length":
			values = []string{fmt.Sprint(r.ContentLength)}
		}
		if len(values) == 0 {
			return "", nil, fmt.Errorf("signed header %s was not sent", name)
		}
		clean := make([]string, len(values))
		for i, value := range values {
			clean[i] = onlySpaces(value)
		}
		lines = append(lines, name+":"+strings.Join(clean, ","))
	}
	for name := range r.Header {
		if n := strings.ToLower(name); strings.HasPrefix(n, "x-amz-") && !slices.Contains(signed, n) {
			return "", nil, fmt.Errorf("header %s is not signed", name)
		}
	}
	lines = append(lines, "", auth["SignedHeaders"], payload)
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", auth["date"], scope, sha256hex([]byte(strings.Join(lines, "\n")))}, "\n")
	key := []byte("AWS4" + keys.SecretAccessKey.Reveal())
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	if want := hex.EncodeToString(mac(key, toSign)); want != auth["Signature"] {
		return "", nil, fmt.Errorf("signature is %s, want %s for\n%s", auth["Signature"], want, strings.Join(lines, "\n"))
	}
	return id, signed, nil
}

// onlySpaces is what the documentation of SigV4 says, to the letter: it speaks
// of spaces, so that a tab stays.
func onlySpaces(v string) string {
	v = strings.Trim(v, " \t")
	for strings.Contains(v, "  ") {
		v = strings.ReplaceAll(v, "  ", " ")
	}
	return v
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func sha256hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, message string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(message))
	return m.Sum(nil)
}

// sent writes the request as net/http does and reads it back as a server does.
func sent(req *http.Request) (*http.Request, []byte, error) {
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		return nil, nil, err
	}
	r, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		return nil, nil, fmt.Errorf("%w; was sent:\n%s", err, wire.String())
	}
	body, err := io.ReadAll(r.Body)
	return r, body, err
}

// verifierOf is that of a service which knows creds("AKID").
func verifierOf(service string) verifier {
	return verifier{service: service, region: "eu-west-1", known: []stschain.Credentials{creds("AKID")}}
}

// requireValid fails if req is not valid as it arrives, and returns it.
func (v verifier) requireValid(t testing.TB, req *http.Request) *http.Request {
	t.Helper()
	r, body, err := sent(req)
	require.NoError(t, err)
	_, _, err = v.verify(r, body)
	require.NoError(t, err)
	return r
}
