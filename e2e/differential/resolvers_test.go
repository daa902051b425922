package differential_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/source"
)

// result is what a library made of a setup.
type result struct {
	Error              string // "": it found credentials
	Key, Secret, Token string
	Account            string
	Expires            int64 // in Unix time; 0: never, or unknown
	Calls              []string
}

// equal compares which credentials are used and what is sent. Libraries that fail may have called different
// services before. Not every library knows the account and the expiration, and the SDKs move that of a service.
func (ours result) equal(theirs result) bool {
	if ours.Error != "" || theirs.Error != "" {
		return ours.Error != "" && theirs.Error != ""
	}
	return ours.Key == theirs.Key && ours.Secret == theirs.Secret && ours.Token == theirs.Token &&
		slices.EqualFunc(ours.Calls, theirs.Calls, sameCall) &&
		(ours.Account == theirs.Account || theirs.Account == "") &&
		(ours.Expires == theirs.Expires || ours.Expires == 0 || theirs.Expires == 0 || len(ours.Calls) > 0)
}

// sameCall compares calls without the lifetime that the SDK for Go requests by default: class duration.
func sameCall(a, b string) bool {
	return strings.TrimSuffix(a, defaultDuration) == strings.TrimSuffix(b, defaultDuration)
}

const defaultDuration = ", for 900 s"

// library resolves the credentials of a setup whose environment is set. It sends its requests to the network.
type library func(*network) result

func stschainSetup(n *network) result {
	creds, err := (&source.Default{HTTPClient: &http.Client{Transport: n}}).Retrieve(context.Background())
	if err != nil {
		return result{Error: err.Error()}
	}
	r := result{Key: creds.AccessKeyID, Secret: creds.SecretAccessKey.Reveal(), Token: creds.SessionToken.Reveal(), Account: creds.AccountID, Calls: n.calls}
	if !creds.Expires.IsZero() {
		r.Expires = creds.Expires.Unix()
	}
	return r
}

func goSDK(n *network) result {
	ctx := context.Background()
	// The SDK computes these before it is called.
	config.DefaultSharedConfigFiles = []string{config.DefaultSharedConfigFilename()}
	config.DefaultSharedCredentialsFiles = []string{config.DefaultSharedCredentialsFilename()}
	client := &http.Client{Transport: n}
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithHTTPClient(client),
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = client }), // which ignores the one above
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }))
	if err != nil {
		return result{Error: err.Error()}
	}
	creds, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return result{Error: err.Error()}
	}
	r := result{Key: creds.AccessKeyID, Secret: creds.SecretAccessKey, Token: creds.SessionToken, Account: creds.AccountID, Calls: n.calls}
	if creds.CanExpire {
		r.Expires = creds.Expires.Unix()
	}
	return r
}

// newBotocore starts a Python process that resolves one setup after the other, and returns nil where Python has no
// botocore.
func newBotocore(t *testing.T, python, home string) library {
	if err := exec.Command(python, "-c", "import botocore").Run(); err != nil {
		t.Logf("botocore is skipped: %s: %v", python, err)
		return nil
	}
	var current atomic.Pointer[network]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.Load().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)

	cmd := exec.Command(python, "testdata/botocore_setups.py", port)
	cmd.Env = append(os.Environ(), "HOME="+home) // some paths are computed when botocore is imported
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	lines := bufio.NewReader(out)
	version, err := lines.ReadString('\n')
	require.NoError(t, err)
	t.Log("botocore", strings.TrimSpace(version))

	return func(n *network) (r result) {
		current.Store(n)
		require.NoError(t, json.NewEncoder(in).Encode(n.env))
		line, err := lines.ReadBytes('\n')
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(line, &r))
		r.Calls = n.calls
		return r
	}
}

// setEnv makes env the environment of this process, and returns what restores it.
func setEnv(env map[string]string) (restore func()) {
	before := os.Environ()
	os.Clearenv()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		os.Setenv(name, env[name])
	}
	return func() {
		os.Clearenv()
		for _, entry := range before {
			name, value, _ := strings.Cut(entry, "=")
			os.Setenv(name, value)
		}
	}
}

// RoundTrip sends no request anywhere: ServeHTTP replies.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	n.ServeHTTP(recorder, r)
	response := recorder.Result()
	response.Request = r
	return response, nil
}

// target is the URL of a request, also of one that botocore sent.
func target(r *http.Request) *url.URL {
	if u, err := url.Parse(r.Header.Get("X-Setup-Url")); err == nil && u.Host != "" {
		return u
	}
	return r.URL
}

func form(r *http.Request) url.Values {
	body, _ := io.ReadAll(r.Body)
	values, _ := url.ParseQuery(string(body))
	return values
}
