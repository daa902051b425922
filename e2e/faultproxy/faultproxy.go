// Package faultproxy breaks connections on purpose. A Proxy stands on loopback between a
// client and a server, and does with each connection what its test wants. It is for tests.
package faultproxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// Proxy takes connections on loopback. It is made by Start.
type Proxy struct {
	listener net.Listener
	target   string
	act      func(*Link)
	closed   chan struct{}
	links    sync.WaitGroup

	mu       sync.Mutex
	accepted int
}

// Start returns a proxy before the server at target, host and port. Each connection is
// given to act, and closed when that returns.
func Start(target string, act func(*Link)) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("faultproxy: %w", err)
	}
	p := &Proxy{listener: listener, target: target, act: act, closed: make(chan struct{})}
	p.links.Go(p.accept)
	return p, nil
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.mu.Lock()
		p.accepted++
		link := &Link{TCPConn: conn.(*net.TCPConn), Number: p.accepted, proxy: p}
		p.mu.Unlock()
		p.links.Go(func() {
			ended := make(chan struct{})
			p.links.Go(func() {
				select {
				case <-p.closed:
					link.Close()
				case <-ended:
				}
			})
			p.act(link)
			link.Close()
			close(ended)
		})
	}
}

// Addr is the host and port of the proxy.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Accepted is how many connections there were.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Close breaks what is open, and returns when nothing of the proxy is left.
func (p *Proxy) Close() {
	close(p.closed)
	p.listener.Close()
	p.links.Wait()
}

// Link is a connection of a client.
type Link struct {
	*net.TCPConn
	Number int // from 1, in the order of arrival
	proxy  *Proxy
}

// Request reads one request, and returns it as it came; nil if the client left.
func (l *Link) Request() []byte { return ReadRequest(l) }

// ReadRequest reads one request from a connection, and returns it as HTTP/1.1; nil if there
// is none.
func ReadRequest(r io.Reader) []byte {
	req, err := http.ReadRequest(bufio.NewReader(r))
	if err != nil {
		return nil
	}
	raw, err := httputil.DumpRequest(req, true) // which has the method, target and headers unchanged
	if err != nil {
		return nil
	}
	return raw
}

// Response returns the whole response of the server, as bytes.
func (l *Link) Response(request []byte) []byte {
	conn, err := net.DialTimeout("tcp", l.proxy.target, 5*time.Second)
	if err != nil {
		return nil
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write(request); err != nil {
		return nil
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil
	}
	resp.Body, resp.ContentLength, resp.Close, resp.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), true, nil
	raw, err := httputil.DumpResponse(resp, true)
	if err != nil {
		return nil
	}
	return raw
}

// Pass forwards one request and its response.
func (l *Link) Pass() { l.Write(l.Response(l.Request())) }

// Reset makes the client see a reset instead of an orderly end.
func (l *Link) Reset() { l.SetLinger(0) }

// Hang does nothing until the client disconnects or the proxy is closed.
func (l *Link) Hang() { io.Copy(io.Discard, l) }

// Pause waits, unless the proxy is closed.
func (l *Link) Pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.proxy.closed:
	}
}
