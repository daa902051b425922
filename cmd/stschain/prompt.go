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

// isTerminal reports whether in is a terminal.
func isTerminal(in io.Reader) bool {
	f, ok := in.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // a character device too; services and cron jobs have it
	return err != nil || !os.SameFile(info, null)
}

// promptMFA prompts for the code of an MFA device. The terminal shows the code while it is typed; it expires within a
// minute.
func (c *call) promptMFA(ctx context.Context, serial string) (stschain.Secret, error) {
	in, out, err := c.prompting()
	if err != nil {
		return stschain.Secret{}, fmt.Errorf("the MFA code of %s is required, and %w", printable(serial), err)
	}
	var ended <-chan struct{}
	if c.alive != nil {
		ended = c.alive.Done()
	}
	typed := c.typed.next(in)
	fmt.Fprintf(out, "MFA code of %s: ", printable(serial))
	select {
	case l := <-typed:
		c.typed.taken()
		return stschain.NewSecret(l.text), l.err
	case <-ctx.Done():
		fmt.Fprintln(out)
		return stschain.Secret{}, ctx.Err()
	case <-ended: // a cache continues a refresh whose caller gave up
		return stschain.Secret{}, context.Cause(c.alive)
	}
}

// prompting returns where to prompt: standard input and standard error if the input is a terminal, otherwise the terminal
// that the process has, so that a pipe or an SDK that runs the program can be its input.
func (c *call) prompting() (io.Reader, io.Writer, error) {
	switch {
	case isTerminal(c.stdin):
		return c.stdin, c.stderr, nil
	case c.terminal == nil:
		return nil, nil, errors.New("standard input is not a terminal to prompt on")
	}
	in, out, err := c.terminal()
	if err != nil {
		return nil, nil, fmt.Errorf("standard input is not a terminal, and there is no other one to prompt on: %w", err)
	}
	return in, out, nil
}

// onceTerminal opens a terminal at the first prompt: a read of it cannot be canceled, so all prompts share it.
func onceTerminal(open func() (io.Reader, io.Writer, error)) func() (io.Reader, io.Writer, error) {
	var once sync.Once
	var in io.Reader
	var out io.Writer
	var err error
	return func() (io.Reader, io.Writer, error) {
		once.Do(func() { in, out, err = open() })
		return in, out, err
	}
}

// typist reads lines from the terminal. A read cannot be canceled, so that of an abandoned prompt continues, and its
// line is the input of the next prompt.
type typist struct {
	mu    sync.Mutex
	lines chan line // receives the next line; nil: no read is in flight
}

type line struct {
	text string
	err  error
}

// next returns the channel of the next line. A line that was typed before the prompt is dropped.
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

// taken ends the prompt whose line was received.
func (t *typist) taken() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = nil
}

// readLine reads no further than the line: the rest of standard input belongs to other readers.
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
			return "", errors.New("the input ended before a code was entered")
		case err != nil:
			return "", err
		}
	}
	return "", errors.New("the input is longer than any MFA code")
}
