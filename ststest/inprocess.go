package ststest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxRequest bounds a request in process, including its body.
const maxRequest = maxPayload + 1<<20

// InProcess returns a transport that calls h for every request, whatever the
// host, and opens no socket. Requests are encoded and decoded in the wire
// format of HTTP. A handler that panics with http.ErrAbortHandler breaks the
// connection, as in net/http.
func InProcess(h http.Handler) http.RoundTripper { return inProcess{h} }

type inProcess struct{ handler http.Handler }

func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if ctx.Err() != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, context.Cause(ctx)
	}
	x := newExchange(ctx, req)
	go x.serve(t.handler, req.Clone(ctx))
	select {
	case <-x.headed:
		return x.response()
	case <-ctx.Done():
		x.Close()
		if req.Body != nil {
			req.Body.Close() // the exchange may be waiting for it
		}
		return nil, context.Cause(ctx)
	}
}

// exchange is one request and its response. It is the handler's ResponseWriter
// and the body of the caller's Response.
type exchange struct {
	req    *http.Request
	ctx    context.Context // the caller's
	served context.Context // the handler's: ends when the caller gives up
	hangUp context.CancelFunc
	headed chan struct{} // closed when there is a header, or an error instead of one

	header http.Header // the handler's

	mu      sync.Mutex
	status  int
	sent    http.Header   // header as it was at WriteHeader
	flushed bool          // headed is closed
	buf     []byte        // written and not yet read
	left    int64         // bytes that are missing to Content-Length; -1: not declared
	end     error         // why nothing follows; io.EOF is the regular end
	more    chan struct{} // one token when buf or end changed
}

// buffered is how many bytes of a response are buffered until the handler
// flushes or ends, so that a short response gets a Content-Length, as in
// net/http.
const buffered = 2048

func newExchange(ctx context.Context, req *http.Request) *exchange {
	served, hangUp := context.WithCancel(ctx)
	return &exchange{
		req: req, ctx: ctx, served: served, hangUp: hangUp,
		headed: make(chan struct{}), more: make(chan struct{}, 1),
		header: http.Header{}, left: -1,
	}
}

func (x *exchange) serve(h http.Handler, out *http.Request) {
	end := errors.New("ststest: the handler called runtime.Goexit")
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			end = io.ErrUnexpectedEOF
		} else if p != nil {
			end = fmt.Errorf("ststest: the handler panicked: %v", p)
		}
		x.finish(end)
	}()
	r, err := overTheWire(out)
	if err != nil {
		end = err
		return
	}
	h.ServeHTTP(x, r.WithContext(x.served))
	end = io.EOF
}

// overTheWire returns req as a server receives it.
func overTheWire(req *http.Request) (*http.Request, error) {
	var wire bytes.Buffer
	if err := req.Write(&limitedWriter{&wire, maxRequest}); err != nil {
		return nil, err
	}
	r, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		return nil, fmt.Errorf("ststest: no server can read this request: %w", err)
	}
	r.RemoteAddr = "127.0.0.1:0"
	return r, nil
}

type limitedWriter struct {
	w    io.Writer
	left int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, fmt.Errorf("ststest: the request is longer than %d bytes", maxRequest)
	}
	return l.w.Write(p)
}

// Header is part of http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.header }

// WriteHeader is part of http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.writeHeader(status)
}

func (x *exchange) writeHeader(status int) {
	if x.status != 0 || status < 200 {
		return
	}
	x.status, x.sent = status, x.header.Clone()
	if n, err := strconv.ParseInt(x.sent.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		x.left = n
	}
}

// Write is part of http.ResponseWriter. It does not wait for the reader: it
// buffers what is written, and fails after the reader has closed the body.
func (x *exchange) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.writeHeader(http.StatusOK)
	if x.end != nil {
		return 0, x.end
	}
	if x.req.Method == http.MethodHead {
		return 0, http.ErrBodyNotAllowed
	}
	if x.left >= 0 {
		if int64(len(p)) > x.left {
			return 0, http.ErrContentLength
		}
		x.left -= int64(len(p))
	}
	x.buf = append(x.buf, p...)
	if len(x.buf) > buffered {
		x.flush()
	}
	x.wake()
	return len(p), nil
}

// Flush is part of http.Flusher.
func (x *exchange) Flush() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.writeHeader(http.StatusOK)
	x.flush()
}

func (x *exchange) flush() {
	if !x.flushed {
		x.flushed = true
		close(x.headed)
	}
}

func (x *exchange) wake() {
	select {
	case x.more <- struct{}{}:
	default:
	}
}

// finish ends the response when the handler returns.
func (x *exchange) finish(end error) {
	x.hangUp()
	x.mu.Lock()
	defer x.mu.Unlock()
	if end == io.EOF { // not an error that wraps it
		x.writeHeader(http.StatusOK)
		switch {
		case x.left > 0 && x.req.Method != http.MethodHead:
			end = io.ErrUnexpectedEOF
		case x.left < 0 && !x.flushed:
			x.sent.Set("Content-Length", strconv.Itoa(len(x.buf)))
		}
	}
	if x.end == nil {
		x.end = end
	}
	x.flush()
	x.wake()
}

// response returns the result of RoundTrip.
func (x *exchange) response() (*http.Response, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.status != 0:
	case x.end == io.ErrUnexpectedEOF:
		return nil, fmt.Errorf("ststest: the connection was closed without a response: %w", io.EOF) // as in net/http
	default:
		return nil, x.end
	}
	if x.sent.Get("Date") == "" {
		x.sent.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	if x.sent.Get("Content-Type") == "" && len(x.buf) > 0 {
		x.sent.Set("Content-Type", http.DetectContentType(x.buf))
	}
	length, err := strconv.ParseInt(x.sent.Get("Content-Length"), 10, 64)
	if err != nil {
		length = -1
	}
	return &http.Response{
		Status:        strconv.Itoa(x.status) + " " + http.StatusText(x.status),
		StatusCode:    x.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        x.sent,
		Body:          x,
		ContentLength: length,
		Request:       x.req,
	}, nil
}

// Read is the body of the response. It waits for the handler on the caller's context.
func (x *exchange) Read(p []byte) (int, error) {
	for {
		x.mu.Lock()
		n := copy(p, x.buf)
		x.buf = x.buf[n:]
		end := x.end
		x.mu.Unlock()
		switch {
		case x.ctx.Err() != nil:
			return 0, context.Cause(x.ctx)
		case n > 0 || len(p) == 0:
			return n, nil
		case end != nil:
			return 0, end
		}
		select {
		case <-x.more:
		case <-x.ctx.Done():
		}
	}
}

// Close ends the exchange from the caller's side.
func (x *exchange) Close() error {
	x.hangUp()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.buf = nil
	x.end = http.ErrBodyReadAfterClose
	x.wake()
	return nil
}
