package flow

import (
	"os"
	"path/filepath"
	"strings"
)

// maxSessionName is STS's limit on session names.
const maxSessionName = 64

// SessionName returns the name of a session, which CloudTrail shows: the given one, or else program@host.
func SessionName(given string) string {
	if given != "" {
		return given
	}
	program := ""
	if len(os.Args) > 0 {
		program = os.Args[0]
	}
	host, _ := os.Hostname() // the host is optional
	return makeSessionName(program, host)
}

// makeSessionName makes a session name from a program's path and a host's name, both shortened to what STS allows.
func makeSessionName(program, host string) string {
	program = strings.TrimSuffix(filepath.Base(strings.ReplaceAll(program, `\`, "/")), ".exe")
	if program == "." || program == "/" || program == "" {
		program = "stschain"
	}
	host, _, _ = strings.Cut(host, ".")
	if host == "" {
		host = "localhost"
	}
	name := strings.Map(allowed, program)
	name = name[:min(len(name), maxSessionName/2-1)] + "@" + strings.Map(allowed, host)
	return name[:min(len(name), maxSessionName)]
}

// allowed replaces characters that a session name must not contain.
func allowed(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("_+=,.-", r):
		return r
	}
	return '-'
}
