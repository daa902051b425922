package migrate_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/e2e/leak"
	"github.com/stschain-go/stschain/ststest"
)

const (
	region  = "eu-west-1"
	roleARN = "arn:aws:iam::123456789012:role/backup"
)

// The SDKs read their environment and files: tests start without them.
func TestMain(m *testing.M) {
	for _, setting := range os.Environ() {
		if name, _, _ := strings.Cut(setting, "="); strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "MINIO_") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	os.Setenv("AWS_CONFIG_FILE", os.DevNull)
	os.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	leak.Main(m)
}

// newServer returns a fake STS that the environment configures, with the keys of a user.
func newServer(t *testing.T) *ststest.Server {
	t.Helper()
	server := ststest.NewTest(t)
	server.Clock = stopped(time.Now()) // so that sessions of the same duration expire at the same time
	keys := server.User().Credentials
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL())
	t.Setenv("AWS_REGION", region)
	t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey.Reveal())
	return server
}

// stopped is a clock that stands still.
type stopped time.Time

func (s stopped) Now() time.Time { return time.Time(s) }

// code is what a page shows on one side: it returns an access key ID, or another result.
type code func(ctx context.Context) (string, error)

// same runs the code of a page before and after a migration, and requires that the calls and the results are the same. Keys that the
// server issued are the same if their callers are.
func same(t *testing.T, server *ststest.Server, before, after code) {
	t.Helper()
	was, wasCalls := seen(t, server, before)
	is, isCalls := seen(t, server, after)
	require.Equal(t, was, is)
	require.Equal(t, wasCalls, isCalls)
}

// call is what must be the same.
type call struct {
	operation, caller, key, region, token string
	form                                  url.Values
	presigned                             bool
	code                                  string
}

func seen(t *testing.T, server *ststest.Server, run code) (result string, calls []call) {
	t.Helper()
	earlier := len(server.Calls())
	result, err := run(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, result)
	if issued, ok := server.Caller(result); ok {
		result = issued.ARN + " until " + issued.Expires.String()
	}
	for _, c := range server.Calls()[earlier:] {
		if c.Form.Get("DurationSeconds") == "3600" {
			c.Form.Del("DurationSeconds") // the default of STS
		}
		if c.Form.Get("RoleSessionName") != "nightly" {
			c.Form.Del("RoleSessionName") // the default of the library
		}
		c.Form.Del("TokenCode") // works once
		calls = append(calls, call{c.Operation, c.Caller, c.AccessKeyID, c.Region, c.Token.Reveal(), c.Form, c.Presigned, c.Code})
	}
	return result, calls
}

// get returns the caller of a presigned URL.
func get(ctx context.Context, server *ststest.Server, url string, header http.Header) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return resp.Status, nil
}

// newRequest returns a request to sign.
func newRequest(t *testing.T, method string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, "https://api.example.com/a/b?c=d", nil)
	require.NoError(t, err)
	return req
}

// signature returns the signature in a header or a presigned URL.
func signature(t *testing.T, signed string) string {
	t.Helper()
	found := regexp.MustCompile(`Signature=([0-9a-f]{64})`).FindStringSubmatch(signed)
	require.NotNil(t, found, signed)
	return found[1]
}

// body returns the body of a response with status 200.
func body(t *testing.T, resp *http.Response, err error) (string, error) {
	t.Helper()
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.Equal(t, http.StatusOK, resp.StatusCode, string(text))
	return string(text), err
}
