package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/ststest"
)

const roleARN = "arn:aws:iam::123456789012:role/backup"

// world is what a command can see of a machine: an environment, a home directory and an STS.
type world struct {
	t     *testing.T
	sts   *ststest.Server
	env   map[string]string
	home  string
	stdin io.Reader
}

// homes is the directory of all homes. It is removed when all goroutines have ended: a command does not wait until the lease
// of an abandoned prompt is free again, which is written to its home, even to one that was removed.
var homes string

// newWorld is a machine with nothing on it but the address of an STS.
func newWorld(t *testing.T) *world {
	sts := ststest.NewTest(t)
	home, err := os.MkdirTemp(homes, "home-")
	require.NoError(t, err)
	t.Cleanup(func() { // a refresh that outlives its command may still write there
		await(time.Minute, func() bool { err = os.RemoveAll(home); return err == nil })
		require.NoError(t, err)
	})
	return &world{t, sts, map[string]string{
		"HOME": home, "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL_STS": sts.URL(),
	}, home, strings.NewReader("")}
}

// keys are alice's, in the environment.
func (w *world) keys() *world {
	w.env["AWS_ACCESS_KEY_ID"] = w.sts.User().Credentials.AccessKeyID
	w.env["AWS_SECRET_ACCESS_KEY"] = w.secret()
	return w
}

func (w *world) secret() string { return w.sts.User().Credentials.SecretAccessKey.Reveal() }

// config writes ~/.aws/config.
func (w *world) config(text string) *world {
	dir := filepath.Join(w.home, ".aws")
	require.NoError(w.t, os.MkdirAll(dir, 0o700))
	require.NoError(w.t, os.WriteFile(filepath.Join(dir, "config"), []byte(text), 0o600))
	return w
}

func (w *world) lookupEnv(name string) (string, bool) { value, ok := w.env[name]; return value, ok }

// run runs the program.
func (w *world) run(args ...string) (code int, stdout, stderr string) {
	return w.runUntil(w.t.Context(), args...)
}

func (w *world) runUntil(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errors buffer
	code = run(ctx, args, w.stdin, &out, &errors, w.lookupEnv)
	return code, out.String(), errors.String()
}

// buffer is for several goroutines.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// terminal is a standard input that is a terminal.
type terminal struct{ io.Reader }

func (terminal) Stat() (fs.FileInfo, error) {
	tty := fstest.MapFS{"tty": {Mode: fs.ModeDevice | fs.ModeCharDevice}}
	return tty.Stat("tty")
}

func with(env, more map[string]string) map[string]string {
	env = maps.Clone(env)
	maps.Copy(env, more)
	return env
}
