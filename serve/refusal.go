package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/stschain-go/stschain"
)

// refusal is why a request gets no credentials: the code and the message are for the
// client, err is for OnError alone.
type refusal struct {
	status        int
	code, message string
	err           error
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("answered %d %s", r.status, r.code)
	if r.err == nil {
		return text + ": " + r.message
	}
	return text + ": " + r.err.Error()
}

func (r *refusal) Unwrap() error { return r.err }

var errToken = &refusal{status: http.StatusUnauthorized, code: "Unauthorized", message: "the header Authorization is not the token of this server"}

// failed is the refusal where the Provider gave nothing that can be served.
func failed(ctx context.Context, err error) *refusal {
	const ask = "; the program that serves them can tell why"
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &refusal{http.StatusGatewayTimeout, "Timeout", "the source of the credentials did not answer in time" + ask, err}
	case stschain.IsUnavailable(err):
		return &refusal{http.StatusNotFound, "NoCredentials", "there are no credentials here" + ask, err}
	case errors.Is(err, stschain.ErrPermanent):
		return &refusal{http.StatusForbidden, "Refused", "the source of the credentials refuses them" + ask, err}
	}
	return &refusal{http.StatusServiceUnavailable, "Failed", "the source of the credentials failed" + ask, err}
}

// send answers with the refusal.
func (r *refusal) send(w http.ResponseWriter) {
	if r.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodGet)
	}
	body, _ := json.Marshal(map[string]string{"code": r.code, "message": r.message}) // strings, which cannot fail
	send(w, r.status, body)
}

// send is every answer. What goes wrong now is the client's to see.
func send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(body)
}
