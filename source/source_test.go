package source_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/test/canary"
	"github.com/stschain-go/stschain/source"
	"github.com/stschain-go/stschain/ststest"
)

const roleARN = "arn:aws:iam::123456789012:role/backup"

// variables are those that set each place up.
var (
	keysInEnv   = map[string]string{"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": canarySecret}
	webIdentity = map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": roleARN, "AWS_REGION": "eu-west-1"}
	ecs         = map[string]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/canary"}
)

const keysInProfile = "[default]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = " + canarySecret + "\n"

// with adds variables to those of a machine whose home is /home.
func with(all ...map[string]string) map[string]string {
	env := map[string]string{"HOME": "/home"}
	for _, more := range all {
		maps.Copy(env, more)
	}
	return env
}

// Each place goes before those that come after it, and is passed over where it is not set up.
// Reports: aws-sdk-go-v2#268, aws-sdk-go-v2#98, VictoriaMetrics#726.
func TestOrder(t *testing.T) {
	sts := ststest.NewTest(t)
	m := &machine{sts: sts}
	w := world{
		env:       with(keysInEnv, webIdentity, ecs),
		files:     map[string]string{"/home/.aws/credentials": keysInProfile, "/token": sts.Issuer().Token(nil).Reveal()},
		transport: m,
	}
	retrieve := func() (stschain.Credentials, []string) {
		creds, err := w.chain(t).Retrieve(t.Context())
		require.NoError(t, err)
		return creds, m.hosts()
	}
	creds, requests := retrieve()
	require.Equal(t, "env", creds.Origin)
	require.Empty(t, requests)

	delete(w.env, "AWS_ACCESS_KEY_ID")
	delete(w.env, "AWS_SECRET_ACCESS_KEY")
	d := w.chain(t)
	d.ProfileFirst = true
	creds, err := d.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "profile default", creds.Origin)
	require.Empty(t, m.hosts())

	creds, requests = retrieve()
	require.Equal(t, "webidentity "+roleARN, creds.Origin)
	require.Equal(t, []string{"sts.eu-west-1.amazonaws.com"}, requests)

	delete(w.env, "AWS_WEB_IDENTITY_TOKEN_FILE")
	creds, requests = retrieve()
	require.Equal(t, "AKIAPROFILE", creds.AccessKeyID)
	require.Equal(t, "profile default", creds.Origin)
	require.Empty(t, requests)

	delete(w.files, "/home/.aws/credentials")
	creds, requests = retrieve()
	require.Equal(t, "ASIATASK", creds.AccessKeyID)
	require.Equal(t, []string{ecsHost}, requests)

	delete(w.env, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
	creds, requests = retrieve()
	require.Equal(t, "ASIAINSTANCE", creds.AccessKeyID)
	require.Equal(t, []string{imdsHost}, requests)
}

// Without any credentials, the error is a list of what was looked at, and lets a chain around this
// one go on.
// Reports: aws-sdk-go#5138, aws-sdk-go-v2#1551.
func TestNowhere(t *testing.T) {
	for name, test := range map[string]struct {
		env      map[string]string
		metadata http.HandlerFunc
		want     string
	}{
		"no response":              {metadata: unreachable, want: "5. imds: http://169.254.169.254/latest/api/token: no response: connection refused"},
		"an instance with no role": {metadata: roleless, want: "5. imds: the instance has no role"},
		"switched off":             {env: map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}, want: "5. imds: AWS_EC2_METADATA_DISABLED is true"},
	} {
		t.Run(name, func(t *testing.T) {
			d := world{env: with(test.env), transport: &machine{metadata: test.metadata}}.chain(t)
			_, err := d.Retrieve(t.Context())
			require.True(t, stschain.IsUnavailable(err), "%v", err)
			for i, want := range []string{
				"source: no AWS credentials found; tried, in order:\n",
				"1. env: AWS_ACCESS_KEY_ID is not set",
				"2. webidentity from the environment: AWS_WEB_IDENTITY_TOKEN_FILE is not set",
				"3. profile default: no profile is selected, and there is no profile default in /home/.aws/config (which does not exist) and /home/.aws/credentials (which does not exist)",
				"4. container: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set",
				test.want,
				"Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, write a profile",
			} {
				require.ErrorContains(t, err, want, i)
			}
			all, ok := errors.AsType[*stschain.ChainError](err)
			require.True(t, ok)
			require.True(t, all.Unavailable())
			for _, a := range all.Attempts {
				prefix, _, _ := strings.Cut(a.Provider, " ")
				require.True(t, strings.HasPrefix(a.Err.Error(), prefix+": "), a.Err)
				require.Equal(t, 1, strings.Count(a.Err.Error(), prefix+": "), a.Err)
			}
			wrapped, ok := errors.AsType[*stschain.ChainError](fmt.Errorf("role: %w", err))
			require.True(t, ok && wrapped.Unavailable(), "the wrapped error still says that nothing is configured")
			require.Len(t, all.Attempts, 5)

			fallback := stschain.Static("AKIAFALLBACK", "x", "")
			creds, err := stschain.NewChain(d, fallback).Retrieve(t.Context())
			require.NoError(t, err)
			require.Equal(t, "AKIAFALLBACK", creds.AccessKeyID)
		})
	}
}

// The first place that had credentials is the identity of the program, whatever happens later.
// Reports: vector#21622.
func TestKeepsToOne(t *testing.T) {
	m := &machine{}
	w := world{env: with(ecs), files: map[string]string{}, transport: m}
	d := w.chain(t)
	creds, err := d.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ASIATASK", creds.AccessKeyID)

	w.files["/home/.aws/credentials"] = keysInProfile
	w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"] = "AKIALATE", "x"
	creds, err = d.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ASIATASK", creds.AccessKeyID)

	delete(w.env, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
	_, err = d.Retrieve(t.Context())
	require.ErrorContains(t, err, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
	require.False(t, stschain.IsUnavailable(err), "%v", err)
	d.Invalidate(creds)
}

// A profile that a program names is the only place it looks at.
func TestProfileField(t *testing.T) {
	m := &machine{}
	w := world{env: with(keysInEnv, map[string]string{"AWS_PROFILE": "other"}), transport: m, files: map[string]string{
		"/home/.aws/config": "[profile prod]\ncredential_process = keys\nregion = eu-west-3\n[profile empty]\nregion = eu-west-1\n",
	}, processes: map[string]string{"keys": document("ASIAPROCESS")}}
	d := w.chain(t)
	d.Profile = "prod"
	creds, err := d.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ASIAPROCESS", creds.AccessKeyID)
	require.Equal(t, "profile prod", d.String())
	client, err := d.Client(t.Context())
	require.NoError(t, err)
	require.Equal(t, "eu-west-3", client.Region)

	for _, name := range []string{"empty", "missing"} {
		d := w.chain(t)
		d.Profile = name
		_, err := d.Retrieve(t.Context())
		require.ErrorContains(t, err, name)
		require.False(t, stschain.IsUnavailable(err), "%v", err)
	}
	require.Empty(t, m.hosts())
}

// Nothing is read before the first Retrieve.
// Reports: aws-sdk-go#2051.
func TestReadsNothingEarly(t *testing.T) {
	var read []string
	d := &source.Default{LookupEnv: func(name string) (string, bool) { read = append(read, name); return "", false }}
	require.Equal(t, "default chain", d.String())
	require.Len(t, d.Providers(), 5)
	d.Invalidate(stschain.Credentials{})
	require.Empty(t, read)
}

// Keys in the environment cost no look at files.
func TestEnvironmentReadsNoFile(t *testing.T) {
	w := world{env: with(keysInEnv), refused: map[string]error{"/home/.aws/config": fs.ErrPermission, "/home/.aws/credentials": fs.ErrPermission}}
	creds, err := w.chain(t).Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "AKIAENV", creds.AccessKeyID)
}

// Many first callers get the same identity; one that leaves gets its own end.
func TestConcurrent(t *testing.T) {
	d := world{env: with(ecs), transport: &machine{}}.chain(t)
	left, leave := context.WithCancel(t.Context())
	leave()
	var callers sync.WaitGroup
	for i := range 20 {
		callers.Go(func() {
			if i%5 == 0 {
				if _, err := d.Retrieve(left); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				return
			}
			creds, err := d.Retrieve(context.Background())
			if err != nil || creds.AccessKeyID != "ASIATASK" {
				t.Error(creds, err)
			}
			if _, err := d.Client(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
}

// A machine that is not an instance has a result within about a second.
// Reports: azure-sdk-for-net#61922.
func TestNoInstanceIsQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, fmt.Errorf("dial: %w", r.Context().Err())
		})
		started := time.Now()
		_, err := world{env: with(), transport: silent}.chain(t).Retrieve(t.Context())
		require.True(t, stschain.IsUnavailable(err), "%v", err)
		require.LessOrEqual(t, time.Since(started), 1500*time.Millisecond)
	})
}

func TestCanary(t *testing.T) {
	for _, w := range []world{
		{env: with(keysInEnv)},
		{env: with(), files: map[string]string{"/home/.aws/credentials": keysInProfile}},
		{env: with(ecs), transport: &machine{}},
		{env: with(), transport: &machine{}},
	} {
		w.env["AWS_REGION"] = "eu-west-1"
		d := w.chain(t)
		creds, err := d.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, stschain.NewSecret(canarySecret), creds.SecretAccessKey)
		client, err := d.Client(t.Context())
		require.NoError(t, err)
		canary.Check(t, canarySecret, d, creds, client)
		canary.Check(t, "canary/token/4711", d, creds, client)
	}
}

// With nothing injected, it is the real environment, files and shell.
// Reports: vault-provider#2967.
func TestRealWorld(t *testing.T) {
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value) // puts it back afterwards
			os.Unsetenv(name)
		}
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	d := new(source.Default)
	_, err := d.Retrieve(t.Context())
	require.True(t, stschain.IsUnavailable(err), "%v", err)
	require.ErrorContains(t, err, filepath.Join(home, ".aws", "config"))

	sts := ststest.NewTest(t)
	token := filepath.Join(home, "token")
	require.NoError(t, os.WriteFile(token, []byte(sts.Issuer().Token(nil).Reveal()), 0o600))
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
	t.Setenv("AWS_ROLE_ARN", roleARN)
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL())
	creds, err := new(source.Default).Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "webidentity "+roleARN, creds.Origin)

	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "")
	require.NoError(t, os.Mkdir(filepath.Join(home, ".aws"), 0o700))
	config := filepath.Join(home, ".aws", "config")
	require.NoError(t, os.WriteFile(config, []byte("[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = "+canarySecret+"\n"), 0o600))
	creds, err = d.Retrieve(t.Context())
	require.NoError(t, err, "what was not there has come")
	require.Equal(t, "AKIAFILE", creds.AccessKeyID)
	client, err := d.Client(t.Context())
	require.NoError(t, err)
	require.Equal(t, sts.URL(), client.Endpoint)
	canary.Check(t, canarySecret, d, client)
}
