package sigv4

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	maxPeek  = 64 << 10 // read ahead of a response that may reject a signature
	peekTime = 2 * time.Second
)

// serviceError is the error document of a service.
type serviceError struct{ code, message string }

// errorOf reads the error of a response that may reject a signature, and leaves
// its body as it was. It reads nothing of other responses.
func errorOf(resp *http.Response) serviceError {
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
	default:
		return serviceError{}
	}
	if resp.Body == nil {
		resp.Body = http.NoBody // as http.Client does
	}
	code := baseCode(cmp.Or(resp.Header.Get("X-Amzn-Errortype"), resp.Header.Get("X-Minio-Error-Code")))
	if code != "" && tokenCodes[code] == nil {
		return serviceError{code: code} // the message does not matter
	}
	e := parseError(peek(resp), resp.Header.Get("Content-Encoding"))
	e.code = cmp.Or(code, e.code)
	return e
}

// baseCode takes the code out of what services write, as
// "com.amazonaws.sts#ExpiredTokenException:http://internal.amazon.com/".
func baseCode(code string) string {
	code, _, _ = strings.Cut(code, ":")
	if _, after, ok := strings.Cut(code, "#"); ok {
		code = after
	}
	return strings.TrimSpace(code)
}

// parseError reads an error document of AWS, XML or JSON. Of anything else it
// returns the zero value.
func parseError(doc []byte, encoding string) serviceError {
	if strings.EqualFold(encoding, "gzip") { // the caller asked for it, or net/http would have decoded it
		if r, err := gzip.NewReader(bytes.NewReader(doc)); err == nil {
			doc, _ = io.ReadAll(io.LimitReader(r, maxPeek)) // its end may be missing
		}
	}
	doc = bytes.TrimLeft(doc, "\xef\xbb\xbf \t\r\n")
	switch {
	case bytes.HasPrefix(doc, []byte("<")):
		return xmlError(doc)
	case bytes.HasPrefix(doc, []byte("{")):
		return jsonError(doc)
	}
	return serviceError{}
}

// jsonFields are the fields of an error. Their names match in any case.
type jsonFields struct {
	Type     string `json:"__type"`
	Code     string `json:"code"`
	Message  string `json:"message"`
	Detailed string `json:"detailedMessage"` // Neptune
}

// jsonError reads {"__type": ...}, {"code": ...} and, nested, {"error": {"code": ...}}.
func jsonError(doc []byte) serviceError {
	var v struct {
		jsonFields
		Error jsonFields `json:"error"`
	}
	_ = json.Unmarshal(doc, &v) // a field of another type leaves the others
	f := v.jsonFields
	if f.Type == "" && f.Code == "" && (v.Error.Type != "" || v.Error.Code != "") {
		f = v.Error
	}
	return serviceError{baseCode(cmp.Or(f.Type, f.Code)), cmp.Or(f.Message, f.Detailed)}
}

// xmlError returns the texts of the first elements named Code and Message,
// wherever they are: S3 has them below Error, STS below ErrorResponse, EC2 below
// Response.
func xmlError(doc []byte) (e serviceError) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	for e.code == "" || e.message == "" {
		token, err := d.Token()
		if err != nil {
			return e
		}
		start, ok := token.(xml.StartElement)
		switch {
		case ok && start.Name.Local == "Code" && e.code == "":
			e.code = baseCode(text(d))
		case ok && start.Name.Local == "Message" && e.message == "":
			e.message = text(d)
		}
	}
	return e
}

// text is what stands before the next tag, whatever comments and CDATA cut it into.
func text(d *xml.Decoder) string {
	var all []byte
	for {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		switch token := token.(type) {
		case xml.CharData:
			all = append(all, token...)
		case xml.StartElement, xml.EndElement:
			return string(all)
		}
	}
}

// peek returns the start of the body, as far as it arrives in time, and replaces
// the body by one that still returns all of it.
func peek(resp *http.Response) []byte {
	if resp.Body == http.NoBody {
		return nil
	}
	p := &peeked{rc: resp.Body, over: make(chan struct{})}
	p.more.L = &p.mu
	resp.Body = p
	go p.fill()
	timer := time.NewTimer(peekTime)
	defer timer.Stop()
	select {
	case <-p.over:
	case <-timer.C:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enough = true
	return p.data // of which fill changes no byte that is there
}

// peeked is a body whose start was read, or is still being read. The Read that is
// then in flight cannot be interrupted without losing what it returns.
type peeked struct {
	rc   io.ReadCloser
	over chan struct{} // closed when fill has ended

	mu     sync.Mutex
	more   sync.Cond // data or ended has changed
	data   []byte
	taken  int   // of data, by Read
	err    error // that ended data
	enough bool  // fill is to end after the Read in flight
	ended  bool  // fill has
}

func (p *peeked) fill() {
	defer close(p.over)
	buf := make([]byte, 4<<10)
	for again := true; again; {
		n, err := p.read(buf)
		p.mu.Lock()
		p.data, p.err = append(p.data, buf[:n]...), err
		p.ended = err != nil || p.enough || len(p.data) >= maxPeek
		again = !p.ended
		p.mu.Unlock()
		p.more.Broadcast()
	}
}

// read guards against bodies that are not net/http's: a panic in this goroutine
// would end the process.
func (p *peeked) read(buf []byte) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, fmt.Errorf("sigv4: the response body's Read panicked: %v", r)
		}
	}()
	n, err = p.rc.Read(buf[:min(len(buf), maxPeek-len(p.data))])
	if n < 0 || n > len(buf) {
		return 0, errors.New("sigv4: the response body's Read returned an invalid count")
	}
	return n, err
}

func (p *peeked) Read(b []byte) (int, error) {
	p.mu.Lock()
	for p.taken == len(p.data) && !p.ended {
		p.more.Wait()
	}
	n := copy(b, p.data[p.taken:])
	p.taken += n
	ended := p.taken == len(p.data)
	err := p.err
	p.mu.Unlock()
	switch {
	case n > 0 || !ended || len(b) == 0:
		return n, nil
	case err != nil:
		return 0, err
	}
	return p.rc.Read(b)
}

func (p *peeked) Close() error { return p.rc.Close() }
