//go:build unix

package processfault_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// names are the files in a folder.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// holdFirst makes the service respond to no refresh before the first caller is gone. The channel
// receives each.
func (s *service) holdFirst() <-chan struct{} {
	arrived := make(chan struct{}, 10)
	var calls atomic.Int32
	s.redeemed = func(r *http.Request) {
		arrived <- struct{}{}
		if calls.Add(1) == 1 {
			<-r.Context().Done()
		}
	}
	return arrived
}

// A process that is killed after the service redeemed the refresh token, and before what it gave was
// written, leaves the file as it was, and a lock that blocks no other process. The next process
// goes on with the old refresh token: how that ends is the service's affair.
func TestKillBeforeWrite(t *testing.T) {
	eachKind(t, func(t *testing.T, name string, k kind) {
		for _, test := range []struct {
			name  string
			once  bool
			left  time.Duration // of the session's token
			want  string
			after string // generation of the file
		}{
			{"the token is redeemed again", false, -time.Minute, "ASIA1", "1"},
			{"the token is good once", true, -time.Minute, k.advice, "0"},
			{"and what it renews is good", true, 2 * time.Minute, "ASIA0", "0"},
		} {
			for _, fault := range []string{"during the request", diesAfterResponse} {
				t.Run(test.name+"/"+fault, func(t *testing.T) {
					s := &service{once: test.once}
					var arrived <-chan struct{}
					if fault != diesAfterResponse {
						arrived = s.holdFirst()
					}
					srv := httptest.NewServer(s)
					t.Cleanup(srv.Close)
					home, before := signIn(t, k, time.Now().Add(test.left), 0)
					file := filepath.Join(home, k.path)

					o := order{Program: "session", Endpoint: srv.URL, Kind: name, Fault: fault}
					victim := mustStart(t, o, home)
					require.Equal(t, "ready", victim.hear())
					victim.send("retrieve")
					if fault != diesAfterResponse {
						<-arrived
						victim.signal(syscall.SIGKILL)
					}
					victim.killed()
					content, err := os.ReadFile(file)
					require.NoError(t, err)
					require.Equal(t, string(before), string(content))
					require.Equal(t, []string{filepath.Base(file), filepath.Base(file) + ".lock"}, names(t, filepath.Dir(file)))

					require.Contains(t, k.next(home, srv.URL), test.want)
					require.Equal(t, "refresh-0", s.requests()[1])
					content, err = os.ReadFile(file)
					require.NoError(t, err)
					require.Equal(t, test.after, generation(t, content, 0))
				})
			}
		}
	})
}

// A process that waits for the lock of one that is killed gets it.
func TestKillHolder(t *testing.T) {
	eachKind(t, func(t *testing.T, name string, k kind) {
		s := &service{}
		arrived := s.holdFirst()
		srv := httptest.NewServer(s)
		t.Cleanup(srv.Close)
		home, _ := signIn(t, k, time.Now().Add(-time.Minute), 0)
		o := order{Program: "session", Endpoint: srv.URL, Kind: name}
		holder, waiter := mustStart(t, o, home), mustStart(t, o, home)
		require.Equal(t, "ready", holder.hear())
		require.Equal(t, "ready", waiter.hear())
		holder.send("retrieve")
		<-arrived
		waiter.send("retrieve")
		select {
		case <-arrived:
			t.Fatal("it did not wait for the lock")
		case <-time.After(300 * time.Millisecond):
		}
		holder.signal(syscall.SIGKILL)
		holder.killed()
		require.Equal(t, "ASIA1", waiter.hear())
		require.Len(t, s.requests(), 2)
		content, err := os.ReadFile(filepath.Join(home, k.path))
		require.NoError(t, err)
		require.Equal(t, "1", generation(t, content, 0))
	})
}

// A process that is killed while it writes leaves the old file or the new one, and the next process
// clears away what else is there.
func TestKillWhileWriting(t *testing.T) {
	const padding, runs = 64 << 10, 2 // long enough to be caught at it
	eachKind(t, func(t *testing.T, name string, k kind) {
		halves := 0
		for range runs {
			s := &service{}
			srv := httptest.NewServer(s)
			t.Cleanup(srv.Close)
			home, _ := signIn(t, k, time.Now().Add(-time.Minute), padding)
			file := filepath.Join(home, k.path)
			before, err := os.Stat(file)
			require.NoError(t, err)
			o := order{Program: "session", Endpoint: srv.URL, Kind: name}
			victim := mustStart(t, o, home)
			require.Equal(t, "ready", victim.hear())
			victim.send("retrieve")
			for deadline := time.Now().Add(patience); ; {
				now, err := os.Stat(file)
				require.NoError(t, err)
				if slices.Contains(names(t, filepath.Dir(file)), filepath.Base(file)+".tmp") || !os.SameFile(before, now) || !now.ModTime().Equal(before.ModTime()) {
					break
				}
				require.True(t, time.Now().Before(deadline), "it writes nothing")
				<-time.After(50 * time.Microsecond)
			}
			victim.signal(syscall.SIGKILL)
			victim.cmd.Wait()
			if slices.Contains(names(t, filepath.Dir(file)), filepath.Base(file)+".tmp") {
				halves++
			}
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Contains(t, []string{"0", "1"}, generation(t, content, padding))

			require.Equal(t, "ASIA1", k.next(home, srv.URL))
			content, err = os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, "1", generation(t, content, padding))
			require.Equal(t, []string{filepath.Base(file), filepath.Base(file) + ".lock"}, names(t, filepath.Dir(file)))
		}
		t.Logf("%d of %d died while they wrote", halves, runs)
	})
}
