package tokenfile_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/tokenfile"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	synctest.Test(t, func(t *testing.T) {
		first, err := tokenfile.Lock(t.Context(), path)
		require.NoError(t, err)

		bounded, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		_, err = tokenfile.Lock(bounded, path)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "another process has the lock: "+path+".lock")
		require.Equal(t, time.Minute, time.Since(began))

		got := make(chan error)
		go func() {
			second, err := tokenfile.Lock(t.Context(), path)
			if err == nil {
				err = second.Release()
			}
			got <- err
		}()
		require.NoError(t, first.Release())
		require.NoError(t, <-got)
	})
	_, err := tokenfile.Lock(t.Context(), filepath.Join(t.TempDir(), "none", "x.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func document(text string) tokenfile.Document {
	return tokenfile.Document{}.WithText("text", stschain.NewSecret(text))
}

// Reports: aws-sdk-go-v2#2241.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.json")
	require.NoError(t, os.WriteFile(path, []byte("{}"), 0o644))
	require.NoError(t, os.WriteFile(path+".tmp", []byte("of one who was killed"), 0o644))
	lock, err := tokenfile.Lock(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, lock.Write(document("new")))
	require.NoError(t, lock.Write(document("newer")), "it can be written again")
	require.NoError(t, lock.Release())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, `{"text":"newer"}`, string(content))
	if runtime.GOOS != "windows" {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}
	require.Equal(t, []string{"x.json", "x.json.lock"}, names(t, dir), "nothing else stays")
}

func TestWriteMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no modes there")
	}
	for _, test := range []struct {
		keep         bool
		before, want os.FileMode // 0: there is no file
	}{
		{false, 0o600, 0o600},
		{false, 0o664, 0o600},
		{true, 0o600, 0o600},
		{true, 0o640, 0o640},
		{true, 0o666, 0o666}, // whatever the umask
		{true, 0o400, 0o400},
		{true, 0, 0o600},
	} {
		path := filepath.Join(t.TempDir(), "x.json")
		if test.before != 0 {
			require.NoError(t, os.WriteFile(path, []byte("{}"), 0o600))
			require.NoError(t, os.Chmod(path, test.before))
		}
		lock, err := tokenfile.Lock(t.Context(), path)
		require.NoError(t, err)
		lock.KeepMode = test.keep
		for range 2 {
			require.NoError(t, lock.Write(document("new")))
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, test.want, info.Mode(), test)
		}
		require.NoError(t, lock.Release())
	}
}

func names(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Users keep their configuration elsewhere, and link to it.
func TestWriteLink(t *testing.T) {
	real, link := filepath.Join(t.TempDir(), "real.json"), filepath.Join(t.TempDir(), "link.json")
	require.NoError(t, os.WriteFile(real, []byte("{}"), 0o600))
	if err := os.Symlink(real, link); err != nil {
		t.Skip("no links here:", err)
	}
	lock, err := tokenfile.Lock(t.Context(), link)
	require.NoError(t, err)
	defer lock.Release()
	require.NoError(t, lock.Write(document("new")))
	target, err := os.Readlink(link)
	require.NoError(t, err)
	require.Equal(t, real, target)
	content, err := os.ReadFile(real)
	require.NoError(t, err)
	require.Equal(t, `{"text":"new"}`, string(content))
}

func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.json")
	require.NoError(t, os.MkdirAll(filepath.Join(path, "full"), 0o700)) // which nothing can be renamed over
	lock, err := tokenfile.Lock(t.Context(), path)
	require.NoError(t, err)
	defer lock.Release()
	err = lock.Write(document("new"))
	require.Error(t, err)
	require.NotContains(t, err.Error(), dir, "the caller names it")
	require.Equal(t, []string{"x.json", "x.json.lock"}, names(t, dir))
}

// writer is the variable that makes the test binary write a file until it is killed.
const writer = "STSCHAIN_TEST_WRITER"

func write(path string) error {
	lock, err := tokenfile.Lock(context.Background(), path)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if err := lock.Write(long(n)); err != nil {
			return err
		}
		fmt.Println("written")
	}
}

// long documents take long to write.
func long(n int) tokenfile.Document {
	return document(strings.Repeat(fmt.Sprint(n%10), 32<<10))
}

// A process that is killed while writing leaves the old file or the new one, and the lock.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.json")
	require.NoError(t, os.WriteFile(path, long(9).Encode(), 0o600))
	for run := range 5 {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), writer+"="+path)
		stdout, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		lines := bufio.NewScanner(stdout)
		for range run + 1 {
			require.True(t, lines.Scan())
			require.Equal(t, "written", lines.Text())
			whole(t, path) // to readers as well
		}
		require.NoError(t, child.Process.Kill())
		for lines.Scan() {
		}
		require.Error(t, child.Wait())

		whole(t, path)
		lock, err := tokenfile.Lock(t.Context(), path)
		require.NoError(t, err)
		require.NoError(t, lock.Write(long(run)), "what it left blocks no other process")
		require.NoError(t, lock.Release())
		require.Equal(t, []string{"x.json", "x.json.lock"}, names(t, dir))
	}
}

// whole fails unless the file is one that was written.
func whole(t *testing.T, path string) {
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	d, err := tokenfile.Parse(content)
	require.NoError(t, err)
	text, err := d.Text("text")
	require.NoError(t, err)
	first := text.Reveal()[:1]
	require.True(t, text.Reveal() == strings.Repeat(first, 32<<10), "it is neither the old nor the new one")
}
