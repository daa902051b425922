package s3express_test

import (
	"bufio"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants/s3express"
	"github.com/stschain-go/stschain/internal/test/conformance"
	"github.com/stschain-go/stschain/sigv4"
)

const (
	bucket = "mybucket--usw2-az1--x-s3"
	host   = bucket + ".s3express-usw2-az1.us-west-2.amazonaws.com"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type fixedClock time.Time

func (c fixedClock) Now() time.Time { return time.Time(c) }

var errRecorded = errors.New("recorded")

// TestConformance sends the requests that aws-sdk-go-v2 sent, with its keys, and compares what a server sees of them. The SDK also
// signs headers of its own, so its signatures are recomputed by signing these headers too.
func TestConformance(t *testing.T) {
	dir := conformance.Dir(t)
	read := func(t *testing.T, name string) string {
		content, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(content)
	}
	recorded := func(t *testing.T, name string) *http.Request {
		_, raw, ok := strings.Cut(read(t, filepath.Join("sdk-recorded", name)), "\n")
		require.True(t, ok)
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.TrimRight(raw, "\r\n") + "\r\n\r\n")))
		require.NoError(t, err)
		return r
	}
	base := stschain.Static("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "STSTOKEN")
	session := stschain.Cached(stschain.Static("SESSIONAKID", "SESSIONSECRET", "SESSIONTOKEN"))
	sign := func(t *testing.T, want *http.Request, keys stschain.CachedProvider) http.Header {
		at, err := time.Parse("20060102T150405Z", want.Header.Get("X-Amz-Date"))
		require.NoError(t, err)
		sessions := &s3express.Sessions{Credentials: base, LookupEnv: none}
		var sent http.Header
		tr := &sigv4.Transport{
			Scope: sessions.Scope, Clock: fixedClock(at), SignedHeaders: []string{"Amz-Sdk-Invocation-Id", "Amz-Sdk-Request"},
			CredentialsFor: func(r *http.Request) (stschain.CachedProvider, error) {
				p, err := sessions.CredentialsFor(r)
				if keys != nil {
					p = keys
				}
				return p, err
			},
			Base: roundTrip(func(r *http.Request) (*http.Response, error) { sent = r.Header; return nil, errRecorded }),
		}
		u := *want.URL
		u.Scheme, u.Host = "https", want.Host
		r, err := http.NewRequest(want.Method, u.String(), nil)
		require.NoError(t, err)
		for _, name := range []string{"Amz-Sdk-Invocation-Id", "Amz-Sdk-Request", "X-Amz-Create-Session-Mode"} {
			if values := want.Header.Values(name); values != nil {
				r.Header[name] = values
			}
		}
		_, err = tr.RoundTrip(r)
		require.ErrorIs(t, err, errRecorded)
		return sent
	}
	create := func(t *testing.T, name string) {
		want := recorded(t, name+".request.txt")
		var sent *http.Request
		at, err := time.Parse("20060102T150405Z", want.Header.Get("X-Amz-Date"))
		require.NoError(t, err)
		p := &s3express.Provider{
			Credentials: base, Bucket: bucket, Region: "us-west-2", Mode: s3express.Mode(want.Header.Get("X-Amz-Create-Session-Mode")), MaxAttempts: 1, Clock: fixedClock(at),
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { sent = r; return nil, errRecorded })},
		}
		_, err = p.Retrieve(t.Context())
		require.ErrorIs(t, err, errRecorded)
		require.Equal(t, want.Host, sent.URL.Host)
		require.Equal(t, want.URL.RequestURI(), sent.URL.RequestURI())
		for _, header := range []http.Header{sent.Header, sign(t, want, nil)} {
			compare(t, want.Header, header)
			requireScope(t, want, header)
		}
	}
	t.Run("s3express/createsession-readonly", func(t *testing.T) { create(t, "s3express-createsession-readonly.1") })
	t.Run("s3express/getobject", func(t *testing.T) {
		create(t, "s3express-getobject.1")
		want := recorded(t, "s3express-getobject.2.request.txt")
		sent := sign(t, want, session)
		compare(t, want.Header, sent)
		requireScope(t, want, sent)
		require.NotContains(t, sent, "X-Amz-Security-Token")
	})
	t.Run("s3express/presign", func(t *testing.T) {
		want, err := url.Parse(strings.TrimSpace(read(t, filepath.Join("sdk-recorded", "s3express-presign.url.txt"))))
		require.NoError(t, err)
		query := want.Query()
		at, err := time.Parse("20060102T150405Z", query.Get("X-Amz-Date"))
		require.NoError(t, err)
		sessions := &s3express.Sessions{Credentials: base, LookupEnv: none}
		tr := &sigv4.Transport{Scope: sessions.Scope, Clock: fixedClock(at), CredentialsFor: func(*http.Request) (stschain.CachedProvider, error) { return session, nil }}
		r, err := http.NewRequest(http.MethodGet, "https://"+want.Host+want.Path+"?x-id=GetObject", nil)
		require.NoError(t, err)
		got, err := tr.Presign(r, 15*time.Minute)
		require.NoError(t, err)
		u, err := url.Parse(got.URL.Reveal())
		require.NoError(t, err)
		require.Equal(t, query, u.Query(), "the signature too")
		require.Equal(t, want.Host+want.Path, u.Host+u.Path)
	})
	t.Run("s3/CreateSession", func(t *testing.T) {
		head, _, _ := strings.Cut(read(t, filepath.Join("sdk-snapshots", "s3", "CreateSession.request.snap")), "\n")
		want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + " HTTP/1.1\r\n" +
			strings.ReplaceAll(strings.TrimSpace(strings.TrimPrefix(read(t, filepath.Join("sdk-snapshots", "s3", "CreateSession.request.snap")), head)), "\n", "\r\n") + "\r\n\r\n")))
		require.NoError(t, err)
		var sent *http.Request
		p := &s3express.Provider{
			Credentials: base, Bucket: bucket, Region: "us-west-2", MaxAttempts: 1,
			Mode: s3express.ReadOnly, ServerSideEncryption: "AES256", KMSKeyID: "__SSEKMSKeyId__", EncryptionContext: "__SSEKMSEncryptionContext__", BucketKeyEnabled: true,
			HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { sent = r; return nil, errRecorded })},
		}
		_, err = p.Retrieve(t.Context())
		require.ErrorIs(t, err, errRecorded)
		require.Equal(t, want.Method+" "+want.URL.RequestURI(), sent.Method+" "+sent.URL.RequestURI())
		require.NotEmpty(t, want.Header)
		for name, values := range want.Header {
			require.Equal(t, values, sent.Header.Values(name), name)
		}
	})
}

func none(string) (string, bool) { return "", false }

// compare compares the headers of S3, except the signature.
func compare(t *testing.T, want, got http.Header) {
	t.Helper()
	s3 := func(h http.Header) http.Header {
		all := http.Header{}
		for name, values := range h {
			if strings.HasPrefix(name, "X-Amz-") {
				all[name] = values
			}
		}
		return all
	}
	require.Equal(t, s3(want), s3(got))
}

// requireScope compares the credential of the signature, and which headers of S3 are signed.
func requireScope(t *testing.T, want *http.Request, got http.Header) {
	t.Helper()
	parts := func(h http.Header) (credential string, signed []string) {
		credential, rest, _ := strings.Cut(h.Get("Authorization"), ", SignedHeaders=")
		names, _, _ := strings.Cut(rest, ",")
		for name := range strings.SplitSeq(names, ";") {
			if strings.HasPrefix(name, "x-amz-") || name == "host" {
				signed = append(signed, name)
			}
		}
		return credential, signed
	}
	wantCredential, wantSigned := parts(want.Header)
	gotCredential, gotSigned := parts(got)
	require.Equal(t, wantCredential, gotCredential)
	require.Equal(t, wantSigned, gotSigned)
}
