// Package clients_test has the SDKs of others take what serve gives: over the container
// protocol, and from a credential_process. Clients that are no Go modules are named by the
// environment, and skipped where it names none:
//
//	STSCHAIN_AWSCLI  an aws
//	STSCHAIN_BOTO3   a python3 that has boto3
//	STSCHAIN_NODE    a directory with node_modules/@aws-sdk/credential-providers
package clients_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/assumerole"
	"github.com/stschain-go/stschain/e2e/leak"
	"github.com/stschain-go/stschain/serve"
	"github.com/stschain-go/stschain/stsquery"
	"github.com/stschain-go/stschain/ststest"
)

// world is a role of a fake STS whose sessions are served on a loopback address.
type world struct {
	t     *testing.T
	sts   *ststest.Server
	role  *assumerole.Provider
	now   atomic.Pointer[serve.Handler]
	url   string
	token stschain.Secret
}

// newWorld has sessions that live shorter than what most clients refresh within, so that they
// request again for each use, and longer than a test.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, sts: ststest.NewTest(t), token: serve.NewToken()}
	w.sts.Lifetime = 4 * time.Minute
	w.role = &assumerole.Provider{
		Client:  &stsquery.Client{Credentials: w.sts.User(), Region: "eu-west-1", HTTPClient: w.sts.Client()},
		RoleARN: "arn:aws:iam::123456789012:role/served", SessionName: "clients",
	}
	w.refresh()
	l, err := serve.Listen(t.Context(), "")
	require.NoError(t, err)
	w.url = "http://" + l.Addr().String() + "/credentials"
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	serving := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.now.Load().ServeHTTP(rw, r) })
	go func() { ended <- serve.Serve(ctx, l, serving) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return w
}

// refresh has a new session served from now on.
func (w *world) refresh() { w.serve(w.role) }

func (w *world) serve(p stschain.Provider) {
	w.now.Store(&serve.Handler{
		Credentials: &stschain.Cache{Provider: p, AdvisoryWindow: 10 * time.Second},
		Token:       w.token,
		OnError:     func(err error) { w.t.Log(err) },
	})
}

// current is what is served now.
func (w *world) current() stschain.Credentials {
	w.t.Helper()
	c, err := w.now.Load().Credentials.Retrieve(w.t.Context())
	require.NoError(w.t, err)
	return c
}

// signedWith is the access key that STS accepted a signature of last.
func (w *world) signedWith() string {
	w.t.Helper()
	var last ststest.Call
	for _, c := range w.sts.Calls() {
		if c.Operation == "GetCallerIdentity" {
			last = c
		}
	}
	require.Equal(w.t, "arn:aws:sts::123456789012:assumed-role/served/clients", last.Caller)
	return last.AccessKeyID
}

// fingerprint of credentials, which the scripts of this directory print.
func fingerprint(accessKeyID, secretAccessKey, sessionToken string) string {
	sum := sha256.Sum256([]byte(accessKeyID + "\n" + secretAccessKey + "\n" + sessionToken))
	return accessKeyID + " " + hex.EncodeToString(sum[:])
}

func (w *world) fingerprint() string {
	c := w.current()
	return fingerprint(c.AccessKeyID, c.SecretAccessKey.Reveal(), c.SessionToken.Reveal())
}

// container are the variables by which a client finds the server.
func (w *world) container() []string {
	return []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + w.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN=" + w.token.Reveal()}
}

// process are the variables by which a client finds a profile with this credential_process.
// Its program gets its credentials from the server, as a client of the other kind.
func (w *world) process(command ...string) []string {
	w.t.Helper()
	line := append([]string{"/usr/bin/env", "-i", "HOME=" + w.t.TempDir(), "AWS_EC2_METADATA_DISABLED=true"}, w.container()...)
	line = append(line, command...)
	config := filepath.Join(w.t.TempDir(), "config")
	require.NoError(w.t, os.WriteFile(config, []byte("[default]\ncredential_process = "+strings.Join(line, " ")+"\n"), 0o600))
	return []string{"AWS_CONFIG_FILE=" + config}
}

// environment is all that a client gets: nothing of ours but what is needed to run it.
func environment(t *testing.T, vars ...string) []string {
	return append([]string{
		"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1", "AWS_PAGER=",
	}, vars...)
}

// bin is where programs are built to.
var bin string

func TestMain(m *testing.M) {
	var err error
	if len(os.Args) > 1 && os.Args[1] == "-child-of-exec" {
		if err := sdkForGo(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if bin, err = os.MkdirTemp("", "stschain-clients-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(bin)
	os.Exit(leak.Check(code))
}

// programs are the commands of this project that print credentials, built once.
var programs = sync.OnceValues(func() (map[string][]string, error) {
	ten, all := filepath.Join(bin, "process"), filepath.Join(bin, "stschain")
	return map[string][]string{"WriteProcess": {ten}, "stschain": {all, "process"}},
		errors.Join(build(ten, ".", "./process"), build(all, "../..", "./cmd/stschain"))
})

func build(program, module, pkg string) error {
	cmd := exec.Command("go", "build", "-o", program, pkg)
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", pkg, err, out)
	}
	return nil
}

// ways runs a test for each way in which clients take credentials, with the variables that
// select it.
func ways(t *testing.T, test func(t *testing.T, w *world, vars []string)) {
	t.Run("container", func(t *testing.T) {
		w := newWorld(t)
		test(t, w, w.container())
	})
	built, err := programs()
	require.NoError(t, err)
	for name, command := range built {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			test(t, w, w.process(command...))
		})
	}
}
