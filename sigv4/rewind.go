package sigv4

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// rewound lends a body that can seek to one try after the other, and closes it
// when the last of them and RoundTrip itself are done with it.
type rewound struct {
	body  io.ReadCloser
	seek  func(int64, int) (int64, error)
	start int64        // where the caller left it
	users atomic.Int32 // RoundTrip is one

	mu   sync.Mutex
	turn *loan // whose reads are let through
}

// newRewound returns nil if the body cannot seek. A pipe is an io.Seeker that
// cannot.
func newRewound(body io.ReadCloser) *rewound {
	s, ok := body.(io.Seeker)
	if !ok {
		return nil
	}
	start, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil
	}
	r := &rewound{body: &onceCloser{ReadCloser: body}, seek: s.Seek, start: start}
	r.users.Store(1)
	return r
}

func (r *rewound) payload(req *http.Request) (*payload, error) {
	p, sum, err := digest(req, r.body)
	if err != nil {
		r.release()
		return nil, err
	}
	p.stop, p.free = r.stop, r.release
	p.openChecked(sum, r.open)
	return p, nil
}

// size is what is left of the body, -1 if it does not say.
func (r *rewound) size() int64 {
	end, err := r.seek(0, io.SeekEnd)
	if err != nil || end <= r.start {
		return -1
	}
	return end - r.start
}

func (r *rewound) stop() { r.body.Close() }

func (r *rewound) release() {
	if r.users.Add(-1) == 0 {
		r.body.Close()
	}
}

// open takes the body from the try before, which may not have noticed yet that
// it is over.
func (r *rewound) open() (io.ReadCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.seek(r.start, io.SeekStart); err != nil {
		return nil, fmt.Errorf("sigv4: going back to the start of the body: %w", err)
	}
	r.users.Add(1)
	r.turn = &loan{of: r}
	return r.turn, nil
}

type loan struct {
	of       *rewound
	returned atomic.Bool
}

var errReturned = errors.New("the body is being sent again")

func (l *loan) Read(p []byte) (int, error) {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.of.turn != l {
		return 0, errReturned
	}
	return l.of.body.Read(p)
}

func (l *loan) Close() error {
	if !l.returned.Swap(true) {
		l.of.release()
	}
	return nil
}
