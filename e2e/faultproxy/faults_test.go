package faultproxy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/stschain-go/stschain/e2e/faultproxy"
)

// fault is one way in which the network or a server goes wrong.
type fault struct {
	name  string
	act   func(*faultproxy.Link)
	first bool // it befalls the first connection only, and the others pass
	works bool // the caller gets what it requested
	hangs bool // only the caller's patience ends it

	// attempts are what stsquery makes before it gives up: 0 is three, where it may help to
	// send again. A request with an MFA code is sent again only if the server has not looked at
	// it: unseen. Where that depends on how far the client came, it may be.
	attempts int
	unseen   bool
	either   bool

	https   bool // requests reach the proxy by https
	client  func(proxy string) *http.Client
	refused bool // nothing listens
	host    string
}

// passing makes the first connection go wrong, and lets the others pass.
func passing(f fault) fault {
	f.name, f.first = f.name+", once", true
	act := f.act
	f.act = func(l *faultproxy.Link) {
		if l.Number == 1 {
			act(l)
		} else {
			l.Pass()
		}
	}
	return f
}

var (
	closed      = fault{name: "closed at once", either: true, act: func(*faultproxy.Link) {}}
	reset       = fault{name: "reset at once", either: true, act: func(l *faultproxy.Link) { l.Reset() }}
	unanswered  = fault{name: "closed after the request", act: func(l *faultproxy.Link) { l.Request() }}
	resetAfter  = fault{name: "reset after the request", act: func(l *faultproxy.Link) { l.Request(); l.Reset() }}
	cutBody     = fault{name: "cut in the body", act: cut(func(response []byte) int { return len(response) - 10 })}
	silent      = fault{name: "no response", hangs: true, act: func(l *faultproxy.Link) { l.Hang() }}
	badGateway  = fault{name: "a proxy's 502", act: say("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 21\r\n\r\n<html>no route</html>")}
	tooManyAsks = fault{name: "a proxy's 429", unseen: true, act: say("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")}
)

var faults = []fault{
	// Connections.
	{name: "refused", refused: true, unseen: true},
	closed, passing(closed),
	reset, passing(reset),
	{name: "reset in the request", act: func(l *faultproxy.Link) { l.Read(make([]byte, 10)); l.Reset() }},
	unanswered, passing(unanswered),
	resetAfter, passing(resetAfter),
	{name: "half closed before the response", works: true, act: func(l *faultproxy.Link) {
		request := l.Request()
		l.CloseRead()
		l.Write(l.Response(request))
	}},
	{name: "half closed instead of a response", act: func(l *faultproxy.Link) { l.Request(); l.CloseWrite(); l.Hang() }},

	// Time.
	silent, passing(silent),
	{name: "a response after 50 ms", works: true, act: func(l *faultproxy.Link) {
		response := l.Response(l.Request())
		l.Pause(50 * time.Millisecond)
		l.Write(response)
	}},
	{name: "a response byte by byte", works: true, act: func(l *faultproxy.Link) { trickle(l, l.Response(l.Request()), 0) }},
	{name: "a response that takes for ever", hangs: true, act: func(l *faultproxy.Link) { trickle(l, l.Response(l.Request()), 100*time.Millisecond) }},
	{name: "no end after the headers", hangs: true, act: func(l *faultproxy.Link) {
		head, _, _ := bytes.Cut(l.Response(l.Request()), []byte("\r\n\r\n"))
		l.Write(append(head, "\r\n\r\n<"...))
		l.Hang()
	}},

	// Responses that are cut.
	{name: "cut after a byte", act: cut(func([]byte) int { return 1 })},
	{name: "cut in the headers", act: cut(func(response []byte) int { return bytes.Index(response, []byte("\r\n")) + 10 })},
	{name: "cut after the headers", act: cut(func(response []byte) int { return bytes.Index(response, []byte("\r\n\r\n")) + 4 })},
	cutBody, passing(cutBody),

	// Responses that are wrong.
	{name: "garbage", act: say("\x00\x01\x02\x03 what?\r\n\r\n")},
	{name: "garbage before the response", act: func(l *faultproxy.Link) { l.Write(append([]byte("\x15\x03\x01\x00\x02"), l.Response(l.Request())...)) }},
	{name: "a corrupt header", act: corrupt("Content-Type:", "Content Type\x00")},
	{name: "a corrupt body", attempts: 1, act: corrupt("</", "<\x00"), works: false},
	{name: "a length that is too long", act: corrupt("Content-Length: ", "Content-Length: 9")},
	{name: "two lengths", act: corrupt("Content-Length: ", "Content-Length: 3\r\nContent-Length: ")},
	{name: "headers without end", act: func(l *faultproxy.Link) {
		l.Request()
		l.Write([]byte("HTTP/1.1 200 OK\r\n"))
		for line := []byte("X-Filler: " + strings.Repeat("x", 4000) + "\r\n"); ; {
			if _, err := l.Write(line); err != nil {
				return
			}
		}
	}},
	{name: "a body without end", attempts: 1, act: func(l *faultproxy.Link) {
		l.Request()
		l.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n"))
		for filler := []byte("<!--" + strings.Repeat("x", 4000) + "-->"); ; {
			if _, err := l.Write(filler); err != nil {
				return
			}
		}
	}},
	{name: "the response twice", works: true, act: func(l *faultproxy.Link) {
		response := l.Response(l.Request())
		l.Write(append(response, response...))
	}},
	{name: "a redirect", attempts: 1, act: say("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.2:9/\r\nContent-Length: 0\r\n\r\n")},
	badGateway, passing(badGateway),
	tooManyAsks,

	// TLS.
	{name: "TLS: spoken to a plain port", https: true, client: trusting, act: say("HTTP/1.1 400 Bad Request\r\n\r\n")},
	{name: "TLS: plain http to a TLS port", act: secure(serverTLS, func(*tls.Conn, *faultproxy.Link) {})},
	{name: "TLS: an authority that is not trusted", https: true, attempts: 1, act: secure(serverTLS, pass)},
	{name: "TLS: a certificate for another host", https: true, attempts: 1, client: trusting, act: secure(otherHostTLS, pass)},
	{name: "TLS: an expired certificate", https: true, attempts: 1, client: trusting, act: secure(expiredTLS, pass)},
	{name: "TLS: version 1.1 only", https: true, attempts: 1, client: trusting, act: secure(oldTLS, pass)},
	{name: "TLS: a handshake that is cut", https: true, client: trusting, act: func(l *faultproxy.Link) { l.Read(make([]byte, 10)); l.Reset() }},
	{name: "TLS: a handshake without end", https: true, hangs: true, client: trusting, act: func(l *faultproxy.Link) { l.Hang() }},
	{name: "TLS: a slow handshake", https: true, works: true, client: trusting, act: func(l *faultproxy.Link) {
		l.Pause(50 * time.Millisecond)
		secure(serverTLS, pass)(l)
	}},
	{name: "TLS: cut in the response", https: true, client: trusting, act: secure(serverTLS, func(c *tls.Conn, l *faultproxy.Link) {
		response := l.Response(faultproxy.ReadRequest(c))
		c.Write(response[:len(response)-min(10, len(response))])
		l.Reset()
	})},

	// Names.
	{name: "DNS: no such host", host: "sts.example", attempts: 1, client: resolving(nxdomain), act: (*faultproxy.Link).Pass},
	{name: "DNS: a server that fails", host: "sts.example", unseen: true, client: resolving(servfail), act: (*faultproxy.Link).Pass},
	{name: "DNS: no response", host: "sts.example", hangs: true, client: resolving(nil), act: (*faultproxy.Link).Pass},
}

func cut(at func(response []byte) int) func(*faultproxy.Link) {
	return func(l *faultproxy.Link) {
		response := l.Response(l.Request())
		l.Write(response[:max(0, min(at(response), len(response)))])
	}
}

func corrupt(part, by string) func(*faultproxy.Link) {
	return func(l *faultproxy.Link) {
		response := l.Response(l.Request())
		corrupted := bytes.Replace(response, []byte(part), []byte(by), 1)
		if len(response) > 0 && bytes.Equal(response, corrupted) { // the signed service responds in plain text
			corrupted = append(response[:len(response)-1:len(response)-1], 0)
		}
		l.Write(corrupted)
	}
}

func say(response string) func(*faultproxy.Link) {
	return func(l *faultproxy.Link) {
		l.Request()
		l.Write([]byte(response))
	}
}

func trickle(l *faultproxy.Link, response []byte, pause time.Duration) {
	for _, b := range response {
		if _, err := l.Write([]byte{b}); err != nil {
			return
		}
		if pause > 0 {
			l.Pause(pause)
		}
	}
}

func pass(c *tls.Conn, l *faultproxy.Link) { c.Write(l.Response(faultproxy.ReadRequest(c))) }

func secure(config func() *tls.Config, act func(*tls.Conn, *faultproxy.Link)) func(*faultproxy.Link) {
	return func(l *faultproxy.Link) {
		c := tls.Server(l, config())
		defer c.Close()
		if c.Handshake() == nil {
			act(c, l)
		}
	}
}

// trusting is a client that trusts authority.
func trusting(string) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority().pool}}}
}

// resolving is a client with a name server of its own, on loopback.
func resolving(respond func(question []byte) []byte) func(string) *http.Client {
	return func(string) *http.Client {
		resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nameServer(respond)
		}}
		return &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Resolver: resolver}).DialContext}}
	}
}

// nameServer is a connection to a name server that sends this reply to one question; nil: none.
func nameServer(respond func(question []byte) []byte) (net.Conn, error) {
	ours, its := net.Pipe()
	go func() {
		defer its.Close()
		length := make([]byte, 2) // as in DNS over TCP, which is what a Pipe is taken for
		for {
			if _, err := its.Read(length); err != nil {
				return
			}
			question := make([]byte, int(length[0])<<8|int(length[1]))
			if _, err := its.Read(question); err != nil {
				return
			}
			if respond == nil {
				continue
			}
			reply := respond(question)
			its.Write(append([]byte{byte(len(reply) >> 8), byte(len(reply))}, reply...))
		}
	}()
	return ours, nil
}

func nxdomain(question []byte) []byte { return reply(question, 3) }
func servfail(question []byte) []byte { return reply(question, 2) }

// reply is the question again, as a response with a code (RFC 1035, 4.1.1).
func reply(question []byte, code byte) []byte {
	r := bytes.Clone(question)
	r[2] |= 0x80 // it is a response
	r[3] = r[3]&0xf0 | code
	return r
}
