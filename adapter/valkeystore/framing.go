package valkeystore

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/valkey-io/valkey-go"
)

// What a message may contain. valkey-go allocates what a server announces, and recurses into arrays. The largest messages have a value
// of 64 KiB, or the slots of a cluster.
const (
	maxString   = 1 << 18 // bytes, also of a line
	maxElements = 1 << 15 // of an array
	maxDepth    = 8       // of arrays in arrays
	maxMessage  = 4 << 20 // bytes
)

// dialChecked dials as valkey-go does.
func dialChecked(o valkey.ClientOption) func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
	return func(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (conn net.Conn, err error) {
		switch {
		case o.DialCtxFn != nil:
			conn, err = o.DialCtxFn(ctx, address, dialer, config)
		case o.DialFn != nil:
			conn, err = o.DialFn(address, dialer, config)
		case config != nil:
			conn, err = (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", address)
		default:
			conn, err = dialer.DialContext(ctx, "tcp", address)
		}
		if err != nil {
			return nil, err
		}
		sentinel := o.Sentinel.MasterSet != ""
		return &checked{Conn: conn, sentinel: sentinel, replies: framing{push: sentinel}}, nil
	}
}

// checked is a connection that fails before valkey-go reads what it would panic at: sizes that are negative or too large, arrays that
// are nested too deeply, replies to no command, redirections without an address.
type checked struct {
	net.Conn
	sentinel          bool // messages of subscriptions are not replies
	commands, replies framing
	sent              atomic.Int64 // commands
}

// Write counts commands before a reply can arrive.
func (c *checked) Write(p []byte) (int, error) {
	if err := c.commands.read(p); err != nil {
		return 0, err
	}
	c.sent.Store(c.commands.messages)
	return c.Conn.Write(p)
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err := c.replies.read(p[:n]); err != nil {
		return 0, err
	}
	if !c.sentinel && c.replies.messages > c.sent.Load() {
		return 0, framingError("a reply to no command")
	}
	return n, err
}

type framingError string

func (e framingError) Error() string {
	return "unexpected reply, " + string(e) + ": is Client.InitAddress a Valkey or Redis server?"
}

// framing finds the ends of messages in a stream.
type framing struct {
	push     bool  // messages that are not replies are allowed
	messages int64 // that have ended
	size     int   // bytes of the current message
	line     []byte
	string   int   // bytes that are left of a string
	arrays   []int // elements that are left of each array that has not ended
}

func (f *framing) read(p []byte) error {
	for len(p) > 0 {
		n := min(f.string, len(p))
		if f.string == 0 {
			n = bytes.IndexByte(p, '\n') + 1
			if n == 0 {
				n = len(p)
			}
			f.line = append(f.line, p[:n]...)
			if !f.known() {
				return framingError(fmt.Sprintf("malformed: %.40q", f.line))
			}
		}
		if f.size += n; f.size > maxMessage || len(f.line) > maxString {
			return framingError(fmt.Sprintf("more than %d bytes", min(f.size, maxMessage)))
		}
		switch {
		case f.string > 0:
			if f.string -= n; f.string == 0 {
				f.end()
			}
		case p[n-1] == '\n':
			if !f.header() {
				return framingError(fmt.Sprintf("malformed: %.40q", f.line))
			}
			f.line = f.line[:0]
		}
		p = p[n:]
	}
	return nil
}

// header reads the line that begins a string or an array, or is another element. It reports whether it is allowed.
func (f *framing) header() bool {
	text, ok := strings.CutSuffix(string(f.line[1:]), "\r\n")
	n, err := strconv.Atoi(text)
	switch kind := f.line[0]; {
	case !ok, kind == '-' && !hasAddress(text):
		return false
	case strings.IndexByte("-+:,(_", kind) >= 0:
		f.end()
	case err != nil:
		return false
	case n == -1 && (kind == '$' || kind == '*'): // null
		f.end()
	case kind == '$', kind == '=':
		f.string = n + len("\r\n")
		return n >= 0 && n <= maxString
	default: // an array
		if n < 0 || n > maxElements || len(f.arrays) == maxDepth {
			return false
		}
		if kind == '%' {
			n *= 2
		}
		f.arrays = append(f.arrays, n+1)
		f.end()
	}
	return true
}

// known reports whether header may allow the line, which may be incomplete. valkey-go reads a null without looking for the end of its line,
// and takes the rest for more replies.
func (f *framing) known() bool {
	switch kind := f.line[0]; kind {
	case '_':
		return strings.HasPrefix("_\r\n", string(f.line))
	case '>':
		return f.push
	default:
		return strings.IndexByte("-+:,($=*~%", kind) >= 0
	}
}

// hasAddress reports whether an error has the field that valkey-go uses, if it is a redirection.
func hasAddress(text string) bool {
	for code, spaces := range map[string]int{"MOVED": 2, "ASK": 2, "REDIRECT": 1} {
		if strings.HasPrefix(text, code) && strings.Count(text, " ") < spaces {
			return false
		}
	}
	return true
}

// end ends an element, and the arrays that it completes.
func (f *framing) end() {
	for i := len(f.arrays) - 1; i >= 0; i-- {
		if f.arrays[i]--; f.arrays[i] > 0 {
			return
		}
		f.arrays = f.arrays[:i]
	}
	f.messages++
	f.size = 0
}
