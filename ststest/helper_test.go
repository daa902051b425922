package ststest_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/sigv4"
	"github.com/stschain-go/stschain/ststest"
)

const (
	host    = "https://sts.eu-west-1.amazonaws.com/"
	roleARN = "arn:aws:iam::123456789012:role/team/backup"
)

// start is when the clocks of these tests begin, on a whole second.
var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fakeT is a TB that keeps its reports.
type fakeT struct {
	mu      sync.Mutex
	errors  []string
	cleanup []func()
}

func (f *fakeT) Helper() {}

func (f *fakeT) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *fakeT) Cleanup(c func()) { f.cleanup = append(f.cleanup, c) }

func (f *fakeT) reports() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.errors, "\n")
}

// end is what the testing package does when a test ends.
func (f *fakeT) end() {
	for _, c := range f.cleanup {
		c()
	}
}

// form returns parameters of a call from pairs, with the version.
func form(action string, pairs ...string) url.Values {
	v := url.Values{"Action": {action}, "Version": {"2011-06-15"}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// signed returns a POST of body, signed for STS in eu-west-1.
func signed(ctx context.Context, endpoint, body string, c stschain.Credentials, at time.Time) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	signer := &sigv4.Signer{Service: "sts", Region: "eu-west-1"}
	if err := signer.Sign(req, sigv4.PayloadHash([]byte(body)), c, at); err != nil {
		panic(err)
	}
	return req
}

// reply is what the tests look at in a response of STS.
type reply struct {
	status int
	header http.Header
	body   string

	XMLName xml.Name
	Error   struct{ Type, Code, Message string }
	Assumed struct {
		Credentials     keys
		SourceIdentity  string
		AssumedRoleUser struct{ AssumedRoleId, Arn string }
	} `xml:"AssumeRoleResult"`
	Session struct{ Credentials keys }            `xml:"GetSessionTokenResult"`
	Caller  struct{ Arn, UserId, Account string } `xml:"GetCallerIdentityResult"`
}

type keys struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }

func (k keys) credentials() stschain.Credentials {
	return stschain.Credentials{
		AccessKeyID:     k.AccessKeyId,
		SecretAccessKey: stschain.NewSecret(k.SecretAccessKey),
		SessionToken:    stschain.NewSecret(k.SessionToken),
	}
}

func (r reply) code() string { return r.Error.Code }

// value returns the text of the first element of a name.
func (r reply) value(name string) string {
	m := regexp.MustCompile("<" + name + ">([^<]*)</" + name + ">").FindStringSubmatch(r.body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// credentials returns those in the response of any operation.
func (r reply) credentials() stschain.Credentials {
	return keys{r.value("AccessKeyId"), r.value("SecretAccessKey"), r.value("SessionToken"), ""}.credentials()
}

func read(t *testing.T, res *http.Response, err error) reply {
	t.Helper()
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	r := reply{status: res.StatusCode, header: res.Header, body: string(body)}
	require.NoError(t, xml.Unmarshal(body, &r), "%s", body)
	return r
}

// call sends a signed call in process. The server's clock is the time of signing.
func call(t *testing.T, srv *ststest.Server, c stschain.Credentials, v url.Values) reply {
	t.Helper()
	now := time.Now()
	if srv.Clock != nil {
		now = srv.Clock.Now()
	}
	res, err := srv.Client().Do(signed(t.Context(), host, v.Encode(), c, now))
	return read(t, res, err)
}

// open sends a call without a signature, in process.
func open(t *testing.T, srv *ststest.Server, v url.Values) reply {
	t.Helper()
	res, err := srv.Client().PostForm(host, v)
	return read(t, res, err)
}

func assume(t *testing.T, srv *ststest.Server, c stschain.Credentials, pairs ...string) reply {
	t.Helper()
	return call(t, srv, c, form("AssumeRole", append([]string{"RoleArn", roleARN, "RoleSessionName", "nightly"}, pairs...)...))
}

func whoAmI(t *testing.T, srv *ststest.Server, c stschain.Credentials) reply {
	t.Helper()
	return call(t, srv, c, form("GetCallerIdentity"))
}

// listen serves h on loopback and returns its address.
func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}
