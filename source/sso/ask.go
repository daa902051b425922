package sso

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/wire"
)

const (
	tryTimeout  = 5 * time.Second        // on one try of a request
	firstPause  = 300 * time.Millisecond // before the next one, doubled each time
	maxAttempts = 3
)

// reply is what came back.
type reply struct {
	body  []byte
	sent  time.Time     // when it was asked for
	ahead time.Duration // by which the server's dates are to be set back; see package skew
}

// ask retries where that may help. The error of a response other than 200 wraps a *refusal.
func (p *Provider) ask(ctx context.Context, to *url.URL, r wire.Request) (answer reply, err error) {
	client := wire.Client(p.HTTPClient, tryTimeout)
	client.Jar = nil
	if p.HTTPClient == nil {
		defer client.CloseIdleConnections()
	}
	attempts := p.MaxAttempts
	if attempts <= 0 {
		attempts = maxAttempts
	}
	r.URL, r.Timeout = to.String(), tryTimeout
	r.Header.Set("Accept", "application/json")
	err = wire.Retry(ctx, attempts, firstPause, func() (again bool, err error) {
		answer = reply{sent: p.now()}
		got, err := wire.Send(ctx, client, r)
		if err != nil {
			return ctx.Err() == nil && !errors.Is(err, wire.ErrTooLarge), fmt.Errorf("%s: %w", to.Host, err)
		}
		measured, _ := wire.MeasureSkew(got.Header, answer.sent, p.now())
		answer.body, answer.ahead = got.Body, measured.Expiry()
		if got.Status != http.StatusOK {
			return wire.Retryable(got.Status), refuse(to.Host, got, r.Secrets).marked()
		}
		return false, nil
	})
	return answer, err
}

// refusal is an answer that gives nothing.
type refusal struct {
	text   string
	status int
	code   string // "": it is not the service that speaks
}

func (r *refusal) Error() string { return r.text }

// judged reports whether the service looked at the request and found it wanting.
func (r *refusal) judged() bool {
	return (r.code != "" || r.status == http.StatusUnauthorized) && r.status >= 400 && r.status < 500 && !wire.Retryable(r.status)
}

// marked returns r, marked as ErrPermanent or ErrThrottled.
func (r *refusal) marked() error {
	if r.judged() {
		return stschain.Permanent(r)
	}
	return wire.Throttled(r.status, r)
}

// unauthorized reports whether the token was refused.
func unauthorized(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.status == http.StatusUnauthorized
}

// refuse reads an answer that gives nothing. What the service says is not shown if it holds
// a secret. The two services have their words in different members.
func refuse(host string, answer wire.Response, secrets []stschain.Secret) *refusal {
	var doc struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Type        string `json:"__type"`
		Message     string `json:"message"`
	}
	code, message := "", ""
	if json.Unmarshal(answer.Body, &doc) == nil {
		code, message = doc.Error, doc.Description
		if code == "" {
			code, _, _ = strings.Cut(answer.Header.Get("X-Amzn-Errortype"), ":")
		}
		if code == "" {
			code = doc.Type[strings.LastIndex(doc.Type, "#")+1:]
		}
		if message == "" {
			message = doc.Message
		}
	}
	for _, s := range secrets {
		if !s.IsZero() && strings.Contains(code+" "+message, s.Reveal()) {
			code, message = "a message that is not shown, since it holds a secret", ""
		}
	}
	r := &refusal{status: answer.Status, code: redact.OneLine(code, 64)}
	r.text = fmt.Sprintf("%s answered %d %s", host, r.status, http.StatusText(r.status))
	if r.code != "" {
		r.text += ", " + r.code
	}
	if message = redact.OneLine(message, 512); message != "" {
		r.text += ": " + message
	}
	return r
}
