package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A prompt is on the terminal of the process if standard input is a pipe. What the pipe has is not read.
func TestPromptOnTerminal(t *testing.T) {
	opened := 0
	var tty, stderr buffer
	pipe := strings.NewReader("999999\n")
	c := &call{stdin: pipe, stderr: &stderr, terminal: onceTerminal(func() (io.Reader, io.Writer, error) {
		opened++
		return strings.NewReader("123456\n654321\n"), &tty, nil
	})}
	for _, want := range []string{"123456", "654321"} {
		code, err := c.promptMFA(t.Context(), "phone\x1b[2J")
		require.NoError(t, err)
		require.Equal(t, want, code.Reveal())
	}
	require.Equal(t, 1, opened)
	require.Equal(t, strings.Repeat("MFA code of phone\ufffd[2J: ", 2), tty.String())
	require.Empty(t, stderr.String())
	require.Equal(t, 7, pipe.Len())

	c.terminal = func() (io.Reader, io.Writer, error) { return nil, nil, errors.New("no such device") }
	_, err := c.promptMFA(t.Context(), "phone")
	require.EqualError(t, err, "the MFA code of phone is required, and standard input is not a terminal, and there is no other one to prompt on: no such device")
}

func TestNearest(t *testing.T) {
	names := strings.Fields(commandNames())
	for typed, want := range map[string]string{
		"who": "whoami", "evn": "env", "exce": "exec", "exe": "exec", "profile": "profiles", "pofiles": "profiles", "explian": "explain",
		"compltion": "completion", "forgte": "forget", "hepl": "help", "x": "", "nothing": "", "": "", "aws": "",
	} {
		require.Equal(t, want, nearest(typed, names), typed)
	}
}
