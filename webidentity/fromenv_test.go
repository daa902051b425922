package webidentity_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
	"github.com/stschain-go/stschain/webidentity"
)

type environment map[string]string

func (e environment) lookup(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

// calls is a FromEnv.Client whose clients call srv.
func calls(srv *ststest.Server) func(string) *stsquery.Client {
	return func(region string) *stsquery.Client {
		return &stsquery.Client{Credentials: noBase, Region: region, HTTPClient: srv.Client()}
	}
}

// Reports: aws-sdk-go#4385, aws-sdk-go-v2#670.
func TestFromEnv(t *testing.T) {
	srv := ststest.NewTest(t)
	env := environment{
		"AWS_WEB_IDENTITY_TOKEN_FILE": write(t, srv.Issuer().Token(nil).Reveal()),
		"AWS_ROLE_ARN":                roleARN + "\n",
		"AWS_ROLE_SESSION_NAME":       "pod-1",
		"AWS_REGION":                  " ",
		"AWS_DEFAULT_REGION":          "eu-central-1",
	}
	f := &webidentity.FromEnv{LookupEnv: env.lookup, Client: calls(srv), Duration: 20 * time.Minute}
	out, err := f.AssumeRoleWithWebIdentity(t.Context())
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::123456789012:assumed-role/backup/pod-1", out.AssumedRoleUser.ARN)
	require.Equal(t, "sts.eu-central-1.amazonaws.com", srv.Calls()[0].Host)
	require.Equal(t, "1200", srv.Calls()[0].Form.Get("DurationSeconds"))
	require.Equal(t, "webidentity from the environment", f.String())

	// It is read on each call.
	env["AWS_REGION"], env["AWS_ROLE_SESSION_NAME"] = "eu-west-1", ""
	creds, err := f.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "webidentity "+roleARN, creds.Origin)
	require.Equal(t, "sts.eu-west-1.amazonaws.com", srv.Calls()[1].Host)
	require.Regexp(t, `^webidentity\.test@`, srv.Calls()[1].Form.Get("RoleSessionName"))
}

// Reports: aws-sdk-go-v2#515.
func TestFromEnvIncomplete(t *testing.T) {
	const file, role = "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"
	for name, test := range map[string]struct {
		env         environment
		want        string
		unavailable bool
	}{
		"nothing":                 {environment{}, file + " is not set", true},
		"blank":                   {environment{file: " ", role: "\n"}, file + " is not set", true},
		"variables of other uses": {environment{"AWS_REGION": "eu-west-1", "AWS_ROLE_SESSION_NAME": "x"}, file + " is not set", true},
		"no role":                 {environment{file: "/f", "AWS_REGION": "eu-west-1"}, role + " is not set, but " + file + " is", false},
		"no file":                 {environment{role: roleARN, "AWS_REGION": "eu-west-1"}, file + " is not set, and " + role + " alone configures nothing", true},
		"no region":               {environment{file: "/f", role: roleARN}, "set AWS_REGION or AWS_DEFAULT_REGION", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&webidentity.FromEnv{LookupEnv: test.env.lookup}).Retrieve(t.Context())
			require.ErrorContains(t, err, "webidentity: ")
			require.ErrorContains(t, err, test.want)
			if test.unavailable {
				require.True(t, stschain.IsUnavailable(err), "%v", err)
			} else {
				require.False(t, stschain.IsUnavailable(err), "%v", err)
				require.ErrorIs(t, err, stschain.ErrPermanent)
			}
		})
	}
	_, err := (&webidentity.FromEnv{LookupEnv: environment{}.lookup}).AssumeRoleWithWebIdentity(t.Context())
	require.True(t, stschain.IsUnavailable(err), "%v", err)
}

// If a named file is missing, the chain does not fall through to another identity.
func TestFromEnvMissingFile(t *testing.T) {
	srv := ststest.NewTest(t)
	missing := filepath.Join(t.TempDir(), "missing")
	env := environment{"AWS_WEB_IDENTITY_TOKEN_FILE": missing, "AWS_ROLE_ARN": roleARN, "AWS_REGION": "eu-west-1"}
	f := &webidentity.FromEnv{LookupEnv: env.lookup, Client: calls(srv)}
	_, err := stschain.NewChain(f, srv.User()).Retrieve(t.Context())
	require.ErrorContains(t, err, "token file "+missing+": no such file or directory")
	require.False(t, stschain.IsUnavailable(err), "%v", err)
	require.Zero(t, srv.Count(""))

	delete(env, "AWS_WEB_IDENTITY_TOKEN_FILE")
	delete(env, "AWS_ROLE_ARN")
	creds, err := stschain.NewChain(f, srv.User()).Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, srv.User().String(), creds.Origin)
}

func TestFromEnvOpen(t *testing.T) {
	srv := ststest.NewTest(t)
	env := environment{"AWS_WEB_IDENTITY_TOKEN_FILE": "/token.jwt", "AWS_ROLE_ARN": roleARN, "AWS_REGION": "eu-west-1"}
	files := fstest.MapFS{"token.jwt": {Data: []byte(srv.Issuer().Token(nil).Reveal() + "\n")}}
	f := &webidentity.FromEnv{LookupEnv: env.lookup, Client: calls(srv), Open: func(path string) (fs.File, error) {
		return files.Open(strings.TrimPrefix(path, "/"))
	}}
	_, err := f.Retrieve(t.Context())
	require.NoError(t, err)

	delete(files, "token.jwt")
	_, err = f.Retrieve(t.Context())
	require.ErrorContains(t, err, "token file /token.jwt: ")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.False(t, stschain.IsUnavailable(err), "%v", err)
}
