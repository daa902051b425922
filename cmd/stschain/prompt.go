package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/stschain-go/stschain"
)

// isTerminal reports whether somebody may be there.
func isTerminal(in io.Reader) bool {
	f, ok := in.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // what services and cron jobs have
	return err != nil || !os.SameFile(info, null)
}

// askCode asks on the terminal for the code of an MFA device. The code can be seen while
// it is typed; it is of no use a minute later.
func (c *call) askCode(ctx context.Context, serial string) (stschain.Secret, error) {
	if !isTerminal(c.stdin) {
		return stschain.Secret{}, fmt.Errorf("somebody has to be asked for the code of %s, and standard input is no terminal", serial)
	}
	typed := c.typed.next(c.stdin)
	fmt.Fprintf(c.stderr, "MFA code of %s: ", printable(serial))
	select {
	case l := <-typed:
		c.typed.taken()
		return stschain.NewSecret(l.text), l.err
	case <-ctx.Done():
		fmt.Fprintln(c.stderr)
		return stschain.Secret{}, ctx.Err()
	}
}

// typist is who types lines. A read cannot be taken back, so that of a prompt which was given up
// goes on, and brings what the next prompt is answered with.
type typist struct {
	mu    sync.Mutex
	lines chan line // where the next one comes; nil: nobody reads
}

type line struct {
	text string
	err  error
}

// next is where the next line comes. One that was typed when nobody asked is dropped.
func (t *typist) next(in io.Reader) <-chan line {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines == nil || len(t.lines) > 0 {
		lines := make(chan line, 1)
		t.lines = lines
		go func() {
			text, err := readLine(in)
			lines <- line{text, err}
		}()
	}
	return t.lines
}

func (t *typist) taken() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = nil
}

// readLine reads no further than the line, which somebody else may go on from.
func readLine(in io.Reader) (string, error) {
	const most = 64
	var line []byte
	for b := make([]byte, 1); len(line) < most; {
		n, err := in.Read(b)
		switch {
		case n > 0 && b[0] == '\n':
			return string(line), nil
		case n > 0:
			line = append(line, b[0])
		case errors.Is(err, io.EOF) && len(line) > 0:
			return string(line), nil
		case errors.Is(err, io.EOF):
			return "", errors.New("standard input ended before a code was typed")
		case err != nil:
			return "", err
		}
	}
	return "", errors.New("that is longer than any code")
}
