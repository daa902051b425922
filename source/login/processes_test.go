package login_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain/internal/test/leak"
	"github.com/stschain-go/stschain/source/login"
)

// Of a process that these tests start: the service, and the folder of the file.
const (
	childEndpoint = "STSCHAIN_TEST_LOGIN_ENDPOINT"
	childDir      = "STSCHAIN_TEST_LOGIN_DIR"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEndpoint) != "" {
		child()
		return
	}
	leak.Main(m)
}

// child prints the access key of the session.
func child() {
	p := &login.Provider{Session: arn, CacheDir: os.Getenv(childDir), Endpoint: os.Getenv(childEndpoint)}
	var line string
	fmt.Scanln(&line) // begin together
	creds, err := p.Retrieve(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(creds.AccessKeyID)
}

// TestProcesses: several processes, and several providers in this one, find that a refresh is
// due, and there is one. The refresh token is good once, so a second would show.
func TestProcesses(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	w := newWorld(t, document(time.Now().Add(-time.Minute)))
	w.service.now = time.Now
	srv := httptest.NewServer(w.service)
	defer srv.Close()

	var got sync.Map
	var all sync.WaitGroup
	begin := make(chan struct{})
	for n := range 3 {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), childEndpoint+"="+srv.URL, childDir+"="+filepath.Dir(w.file))
		cmd.Stderr = os.Stderr
		stdin, err := cmd.StdinPipe()
		require.NoError(t, err)
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		all.Go(func() {
			<-begin
			io.WriteString(stdin, "go\n")
			line, _ := bufio.NewReader(stdout).ReadString('\n')
			got.Store(fmt.Sprint("process ", n), line)
			if err := cmd.Wait(); err != nil {
				t.Errorf("process %d: %v", n, err)
			}
		})
	}
	for n := range 5 {
		p := &login.Provider{Session: arn, CacheDir: filepath.Dir(w.file), Endpoint: srv.URL}
		all.Go(func() {
			<-begin
			creds, err := p.Retrieve(t.Context())
			got.Store(fmt.Sprint("provider ", n), fmt.Sprintln(creds.AccessKeyID))
			if err != nil {
				t.Errorf("provider %d: %v", n, err)
			}
		})
	}
	close(begin)
	all.Wait()
	got.Range(func(who, what any) bool {
		if what != "ASIANEW1\n" {
			t.Errorf("%v has %q", who, what)
		}
		return true
	})
	require.Equal(t, 1, w.service.gave)
	require.Len(t, w.service.requests, 1)
	require.Equal(t, refresh+"-1", w.read(t)["refreshToken"])
}
