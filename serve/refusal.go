package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/stschain-go/stschain"
)

// refusal is why a request gets no credentials: code and message are for the client, err is for OnError
// only.
type refusal struct {
	status        int
	code, message string
	err           error // nil: message
}

func (r *refusal) Error() string {
	return fmt.Sprintf("refused with %d %s: %v", r.status, r.code, cmp.Or(r.err, errors.New(r.message)))
}

func (r *refusal) Unwrap() error { return r.err }

// failed returns the refusal for an error of the Provider.
func failed(ctx context.Context, err error) *refusal {
	r := &refusal{http.StatusServiceUnavailable, "Failed", "the source of the credentials failed", err}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		r = &refusal{http.StatusGatewayTimeout, "Timeout", "the source of the credentials did not respond in time", err}
	case stschain.IsUnavailable(err):
		r = &refusal{http.StatusNotFound, "NoCredentials", "no credentials are configured", err}
	case errors.Is(err, stschain.ErrPermanent):
		r = &refusal{http.StatusForbidden, "Refused", "the source of the credentials refuses them", err}
	}
	r.message += "; see the log of the program that serves them"
	return r
}

// send sends the refusal.
func (r *refusal) send(w http.ResponseWriter) {
	if r.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodGet)
	}
	body, _ := json.Marshal(map[string]string{"code": r.code, "message": r.message}) // marshaling strings cannot fail
	send(w, r.status, body)
}

// send sends every response. If that fails, the client gets an error.
func send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(body)
}
