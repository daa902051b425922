package signature_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/signature"
	"github.com/stschain-go/stschain/internal/test/conformance"
)

// TestConformance runs the signing suite of the AWS SDKs, byte for byte. A case
// is run on the parts of the raw request: net/http refuses some of its targets.
// Issues: VictoriaMetrics#2550.
func TestConformance(t *testing.T) {
	dir := filepath.Join(conformance.Dir(t), "sigv4", "v4")
	cases, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, cases, 38)
	for _, mode := range []string{"header", "query"} {
		t.Run("sigv4-"+mode, func(t *testing.T) {
			for _, c := range cases {
				t.Run(c.Name(), func(t *testing.T) {
					v := readVector(t, filepath.Join(dir, c.Name()))
					got := v.signQuery
					if mode == "header" {
						got = v.signHeader
					}
					canonical, toSign, sig, signed := got()
					require.Equal(t, v.want(t, mode, "canonical-request"), canonical)
					require.Equal(t, v.want(t, mode, "string-to-sign"), toSign)
					require.Equal(t, v.want(t, mode, "signature"), sig)
					require.Equal(t, v.want(t, mode, "signed-request"), signed)
				})
			}
		})
		t.Run("sigv4a-"+mode, func(t *testing.T) { testSigV4a(t, mode) })
	}
	t.Run("sigv4a-keys", testPrivateKeys)
}

// vector is one case of the suite.
type vector struct {
	dir     string
	keys    signature.Keys
	ofSets  signature.RegionKeys
	sigv4a  bool
	context struct {
		Credentials struct {
			ID     string `json:"access_key_id"`
			Secret string `json:"secret_access_key"`
			Token  string
		}
		Expiration int64 `json:"expiration_in_seconds"`
		Normalize  bool
		Region     string
		Service    string
		SignBody   bool `json:"sign_body"`
		OmitToken  bool `json:"omit_session_token"`
		Timestamp  time.Time
	}
	method, path, query string
	lines               []string // header lines as they are in the file
	fields              []signature.Field
	body                string
}

func readVector(t *testing.T, dir string) *vector {
	v := &vector{dir: dir}
	text, err := os.ReadFile(filepath.Join(dir, "context.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &v.context))
	text, err = os.ReadFile(filepath.Join(dir, "request.txt"))
	require.NoError(t, err)

	head, body, _ := strings.Cut(string(text), "\n\n")
	v.body = body
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	method, target, _ := strings.Cut(lines[0], " ")
	v.method = method
	v.path, v.query, _ = strings.Cut(strings.TrimSuffix(target, " HTTP/1.1"), "?")
	v.lines = lines[1:]
	index := map[string]int{}
	last := 0
	for _, line := range v.lines {
		if line[0] == ' ' { // goes on with the value above
			values := v.fields[last].Values
			values[len(values)-1] += "\n" + line
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		at, seen := index[strings.ToLower(name)]
		if !seen {
			at = len(v.fields)
			index[strings.ToLower(name)] = at
			v.fields = append(v.fields, signature.Field{Name: name})
		}
		v.fields[at].Values = append(v.fields[at].Values, value)
		last = at
	}
	return v
}

func (v *vector) want(t *testing.T, mode, what string) string {
	text, err := os.ReadFile(filepath.Join(v.dir, mode+"-"+what+".txt"))
	require.NoError(t, err)
	return string(text)
}

// signing is the key, the date and the hash of the payload.
func (v *vector) signing() (key *signature.Key, date, payload string) {
	at := v.context.Timestamp
	date = new(signature.Dates).Format(at)
	c := v.context.Credentials
	get := v.keys.Get
	if v.sigv4a {
		get = signature.KeysOf(&v.ofSets).Get
	}
	key, err := get(stschain.Credentials{
		AccessKeyID: c.ID, SecretAccessKey: stschain.NewSecret(c.Secret), SessionToken: stschain.NewSecret(c.Token),
	}, signature.Scope{Date: date[:8], Region: v.context.Region, Service: v.context.Service}, at)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256([]byte(v.body))
	return key, date, hex.EncodeToString(sum[:])
}

func (v *vector) request(payload string) *signature.Request {
	return &signature.Request{
		Method: v.method, Path: v.path, Query: v.query, Header: v.fields, Payload: payload,
		RawPath: !v.context.Normalize,
	}
}

func (v *vector) signHeader() (canonical, toSign, sig, signed string) {
	key, date, payload := v.signing()
	add := func(before bool, name, value string) {
		line := name + ":" + value
		if before {
			v.fields = append(v.fields, signature.Field{Name: name, Values: []string{value}})
		}
		v.lines = append(v.lines, line)
	}
	if token := v.context.Credentials.Token; token != "" {
		add(!v.context.OmitToken, "X-Amz-Security-Token", token)
	}
	add(true, "X-Amz-Date", date)
	if v.sigv4a {
		add(true, "X-Amz-Region-Set", v.context.Region)
	}
	if v.context.SignBody {
		add(true, "x-amz-content-sha256", payload)
	}
	signature.SortFields(v.fields)
	r := v.request(payload)
	authorization := key.Authorization(r, date)
	add(false, "Authorization", authorization)
	canonical, toSign = texts(key, date, r)
	return canonical, toSign, after(authorization, "Signature="), v.print(v.query)
}

func (v *vector) signQuery() (canonical, toSign, sig, signed string) {
	key, date, payload := v.signing()
	signature.SortFields(v.fields)
	r := v.request(payload)
	query := query(key, r, date, signature.Presigning{
		Seconds:       v.context.Expiration,
		TokenUnsigned: v.context.OmitToken,
	})
	sig = after(query, "&X-Amz-Signature=")
	r.Query = strings.TrimSuffix(query, "&X-Amz-Signature="+sig)
	if v.context.OmitToken {
		r.Query, _, _ = strings.Cut(r.Query, "&X-Amz-Security-Token=")
	}
	canonical, toSign = texts(key, date, r)
	return canonical, toSign, sig, v.print(query)
}

func texts(key *signature.Key, date string, r *signature.Request) (canonical, toSign string) {
	c := signature.AppendCanonical(nil, r)
	return string(c), string(key.AppendStringToSign(nil, date, c))
}

func after(s, mark string) string {
	_, rest, _ := strings.Cut(s, mark)
	return rest
}

// print writes the request as the suite does.
func (v *vector) print(query string) string {
	var b bytes.Buffer
	target := v.path
	if query != "" {
		target += "?" + query
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\n", v.method, target)
	for _, line := range v.lines {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintf(&b, "\n%s", v.body)
	return b.String()
}
