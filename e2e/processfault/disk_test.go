//go:build unix

package processfault_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// meet starts a program that uses a session in spite of a fault, and skips the test where the
// system does not let it happen.
func meet(t *testing.T, o order, home string) *child {
	t.Helper()
	c, err := start(t, o, home, faults[o.Fault].system)
	if err != nil {
		t.Skipf("%s: it cannot be had here: %v", o.Fault, err)
	}
	if line := c.hear(); line != "ready" {
		t.Skipf("%s: %s", o.Fault, line)
	}
	return c
}

// files are those in the folder of a session's file, as the program sees them.
func (c *child) files() map[string]string {
	c.t.Helper()
	var contents map[string]string
	line := c.call("files")
	require.NoError(c.t, json.Unmarshal([]byte(line), &contents), line)
	return contents
}

// A file that cannot be written does no harm. The refresh succeeds, and what it brought is
// used and refreshed in its turn, from memory; the file stays as it is, and nothing is left
// in its folder. Once it can be written, what the next refresh brings is there.
func TestUnwritable(t *testing.T) {
	eachKind(t, func(t *testing.T, name string, k kind) {
		for _, fault := range []string{fullDisk, fileLimit, mountedHome, othersHome} {
			t.Run(fault, func(t *testing.T) {
				s := &service{once: true}
				srv := httptest.NewServer(s)
				t.Cleanup(srv.Close)
				padding := os.Getpagesize() * 3 / 2 // of two pages, one can be written
				home, before := signIn(t, k, time.Now().Add(-time.Minute), padding)
				file := filepath.Join(home, k.path)
				dir, base := filepath.Dir(file), filepath.Base(file)
				if fault == othersHome {
					require.NoError(t, os.Chmod(filepath.Dir(home), 0o755)) // which t.TempDir keeps from others
					require.NoError(t, os.Chmod(dir, 0o555))
				}
				c := meet(t, order{Program: "session", Endpoint: srv.URL, Kind: name, Fault: fault}, home)

				refreshed := []string{}
				for n := 1; n <= 2; n++ {
					refreshed = append(refreshed, fmt.Sprintf("refresh-%d", n-1))
					for range 2 {
						require.Equal(t, fmt.Sprintf("ASIA%d", n), c.call("retrieve"))
					}
					require.Equal(t, refreshed, s.requests(), "each token is redeemed once")
					left := c.files()
					require.True(t, left[base] == string(before), "the file has changed")
					for name := range left {
						require.Contains(t, []string{base, base + ".lock"}, name)
					}
					require.Equal(t, "ok", c.call("later 2h"))
				}

				if fault == othersHome {
					require.NoError(t, os.Chmod(dir, 0o777))
				} else {
					require.Equal(t, "ok", c.call("repair"))
				}
				require.Equal(t, "ASIA3", c.call("retrieve"))
				left := c.files()
				require.Equal(t, "3", generation(t, []byte(left[base]), padding))
				require.Len(t, left, 2)
				require.Contains(t, left, base+".lock")
			})
		}
	})
}

// A file that cannot be read is the one thing that a program cannot do without. The error
// names it and says why.
func TestUnreadable(t *testing.T) {
	eachKind(t, func(t *testing.T, name string, k kind) {
		srv := httptest.NewServer(&service{})
		t.Cleanup(srv.Close)
		home, _ := signIn(t, k, time.Now().Add(time.Hour), 0)
		file := filepath.Join(home, k.path)
		require.NoError(t, os.Chmod(filepath.Dir(home), 0o755))
		mode := os.FileMode(0)
		if os.Getuid() == 0 {
			mode = 0o600
		}
		require.NoError(t, os.Chmod(file, mode))
		c := meet(t, order{Program: "session", Endpoint: srv.URL, Kind: name, Fault: othersHome}, home)
		said := c.call("retrieve")
		require.Contains(t, said, "cannot read "+file+": permission denied")
		require.NotContains(t, said, "no file "+file)

		require.NoError(t, os.Chmod(file, 0o644)) // another user gets access
		require.Equal(t, "ASIA0", c.call("retrieve"))
	})
}
