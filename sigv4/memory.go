package sigv4

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
)

// ErrBodyTooLarge says that a body that can be read only once is over
// Transport.MaxBody.
var ErrBodyTooLarge = errors.New("sigv4: body too large to be kept while it is signed")

// inMemory reads the body and keeps it.
func inMemory(req *http.Request, limit int64) (*payload, error) {
	size := req.ContentLength
	switch {
	case size > limit:
		req.Body.Close()
		return nil, tooLarge(limit)
	case size > 0:
		limit = size
	}
	data, err := readWhole(req, limit)
	switch {
	case err != nil:
		return nil, err
	case size <= 0 && int64(len(data)) > limit:
		return nil, tooLarge(limit)
	}
	if err := checkSize(req, int64(len(data))); err != nil {
		return nil, err
	}
	return keep(data), nil
}

// kept is a payload in memory.
type kept struct {
	payload
	data  []byte
	first bytes.Reader
	lent  bool // first is
}

func keep(data []byte) *payload {
	k := &kept{data: data}
	k.hash, k.size = PayloadHash(data), int64(len(data))
	if len(data) > 0 {
		k.first.Reset(data)
		k.open = k.reader
	}
	return &k.payload
}

// reader returns a type that net/http knows: it sends what is in memory
// together with the headers.
func (k *kept) reader() (io.ReadCloser, error) {
	if k.lent {
		return io.NopCloser(bytes.NewReader(k.data)), nil
	}
	k.lent = true
	return io.NopCloser(&k.first), nil
}

func tooLarge(limit int64) error {
	return fmt.Errorf("%w: over %d bytes; give the request a GetBody or a body that can seek, or raise MaxBody",
		ErrBodyTooLarge, limit)
}

// readWhole reads the body and closes it.
func readWhole(req *http.Request, limit int64) ([]byte, error) {
	if isMemory(req.Body) {
		defer req.Body.Close()
		return readUpTo(context.Background(), req.Body, req.ContentLength, limit)
	}
	body := &onceCloser{ReadCloser: req.Body}
	defer body.Close()
	read := make(chan []byte, 1)
	err := attended(req.Context(), body, func(ctx context.Context, body io.Reader) error {
		data, err := readUpTo(ctx, body, req.ContentLength, limit)
		read <- data
		return err
	})
	if err != nil {
		return nil, err
	}
	return <-read, nil
}

// readUpTo reads at most one byte more than limit. size is a hint.
func readUpTo(ctx context.Context, r io.Reader, size, limit int64) ([]byte, error) {
	data := make([]byte, 0, min(max(size, 511), defaultMaxBody)+1)
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := r.Read(data[len(data):min(int64(cap(data)), limit+1)])
		data = data[:len(data)+n]
		switch {
		case err == io.EOF || int64(len(data)) > limit:
			return data, nil
		case err != nil:
			return nil, readError(err)
		case ctx.Err() != nil:
			return nil, ended(ctx, "hashing")
		}
	}
}

// What io.NopCloser returns, without and with WriteTo.
var (
	nopCloser         = reflect.TypeOf(io.NopCloser(nil))
	nopCloserWriterTo = reflect.TypeOf(io.NopCloser(new(bytes.Reader)))
)

// isMemory reports whether Read cannot block: the bodies that http.NewRequest
// knows. net/http looks into io.NopCloser in the same way.
func isMemory(r io.Reader) bool {
	if t := reflect.TypeOf(r); t == nopCloser || t == nopCloserWriterTo {
		r, _ = reflect.ValueOf(r).Field(0).Interface().(io.Reader)
	}
	switch r.(type) {
	case *bytes.Reader, *bytes.Buffer, *strings.Reader:
		return true
	}
	return false
}
