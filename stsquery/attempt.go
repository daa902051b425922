package stsquery

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
)

// attempt sends a request, for the n-th time, and decodes the result in its response. It returns nil on success. The trace
// has the failure too, so it does not change afterwards.
func (c *Client) attempt(ctx context.Context, n int, r *request, creds stschain.Credentials, out output) (failure *Error, class failureClass) {
	ctx, end := stschain.Step{Kind: stschain.StepRequest, Name: r.op.name + " " + r.to.url.Host}.Start(ctx)
	defer func() {
		if failure != nil {
			failure.Operation, failure.Endpoint, failure.Attempts = r.op.name, r.to.url.Host, n
			end(stschain.Credentials{}, failure)
			return
		}
		end(creds, nil)
	}()
	bounded, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()

	d := c.date()
	req, err := c.newRequest(bounded, r, creds, d)
	if err != nil {
		return &Error{Err: err}, final
	}
	failure = c.send(req, r.op, &d, out)
	if failure == nil {
		return nil, none
	}
	if class = classify(r.op, failure); class == final {
		class = d.classify(failure.Code)
	}
	secrets := secretsOf(req, &r.query, creds)
	switch lost, ok := failure.Err.(*lostError); {
	case ok && ctx.Err() != nil:
		failure.Err, class = system.ContextErr(ctx), final
	case ok:
		lost.err = redact.Error(lost.err, secrets)
		switch {
		case bounded.Err() == nil:
		case errors.Is(lost.err, context.DeadlineExceeded):
			lost.err = &lateError{c.timeout()}
		default:
			lost.err = fmt.Errorf("%w: %w", &lateError{c.timeout()}, lost.err)
		}
	case failure.Err != nil && redact.Shows(failure.Err.Error(), secrets):
		failure.Err = errors.New(redact.Withheld)
	}
	if !known(failure.Code) {
		failure.Code = redact.Text(failure.Code, secrets)
	}
	for _, s := range []*string{&failure.Message, &failure.Type, &failure.RequestID} {
		*s = redact.Text(*s, secrets)
	}
	return failure, class
}

// lateError is the error of an attempt without a response in time. It is made for each attempt.
type lateError struct{ limit time.Duration }

func (e *lateError) Error() string {
	return fmt.Sprintf("no response within %v: %v", e.limit, context.DeadlineExceeded)
}

func (*lateError) Unwrap() error { return context.DeadlineExceeded }

// newRequest makes the request of one attempt, signed for this moment.
func (c *Client) newRequest(ctx context.Context, r *request, creds stschain.Credentials, d date) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "", bytes.NewReader(r.query.form))
	if err != nil {
		return nil, err
	}
	*req.URL, req.Host = r.to.url, r.to.url.Host // parsed once
	values := []string{"application/x-www-form-urlencoded", "stschain"}
	req.Header["Content-Type"], req.Header["User-Agent"] = values[:1:1], values[1:]
	if r.op.unsigned {
		return req, nil
	}
	if err := r.to.signer.Sign(req, sigv4.PayloadHash(r.query.form), creds, d.signed()); err != nil {
		return nil, fmt.Errorf("the request cannot be signed: %w", err)
	}
	return req, nil
}

// secretsOf returns the values that an error about a request must not show.
func secretsOf(req *http.Request, q *query, creds stschain.Credentials) []stschain.Secret {
	_, signature, _ := strings.Cut(req.Header.Get("Authorization"), "Signature=")
	return append(q.secrets, stschain.NewSecret(signature), creds.SecretAccessKey, creds.SessionToken)
}

// send sends a request and reads the response.
func (c *Client) send(req *http.Request, op operation, d *date, out output) *Error {
	resp, err := c.http.Do(req)
	if err != nil {
		return &Error{Err: &lostError{err}}
	}
	defer resp.Body.Close()
	c.compare(d, resp.Header)
	result := Error{
		StatusCode: resp.StatusCode,
		RequestID:  cmp.Or(resp.Header.Get("X-Amzn-Requestid"), resp.Header.Get("X-Amz-Request-Id")),
		RetryAfter: wire.RetryAfter(resp.Header),
	}
	body, err := readBody(resp)
	if err == nil {
		err = result.read(resp, body, op, d.Expiry(), out)
	}
	if err == nil && result.Code == "" {
		return nil
	}
	failure := result // copied, so that success allocates none
	failure.Err = err
	return &failure
}

// readBody reads a body up to its limit.
func readBody(resp *http.Response) ([]byte, error) {
	var body bytes.Buffer
	if n := resp.ContentLength; n > 0 && n <= maxBody {
		body.Grow(int(n) + bytes.MinRead)
	}
	n, err := body.ReadFrom(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, &lostError{err}
	case n > maxBody:
		return nil, fmt.Errorf("response body exceeds %d bytes", maxBody)
	}
	return body.Bytes(), nil
}

// read decodes the result in a response into out, or its fault into e.
func (e *Error) read(resp *http.Response, body []byte, op operation, ahead time.Duration, out output) error {
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return fmt.Errorf("response redirects to %s, and redirects are not followed: set Client.Endpoint to the URL of STS", redirectHost(resp.Header))
	}
	root, err := parseXML(body)
	if err == nil {
		if f, ok := faultOf(root); ok {
			e.Code, e.Message, e.Type, e.RequestID = f.code, f.message, f.kind, cmp.Or(f.requestID, e.RequestID)
			return nil
		}
	}
	switch {
	case resp.StatusCode < 200 || resp.StatusCode >= 300:
		return fmt.Errorf("unexpected response, not an STS error document: %s", describe(resp, body))
	case len(bytes.TrimSpace(body)) == 0:
		return errors.New("response is empty")
	case err != nil:
		return fmt.Errorf("%w (%s)", err, describe(resp, body))
	}
	r, err := resultOf(root, op.name, ahead)
	if err != nil {
		return err
	}
	e.RequestID = cmp.Or(r.requestID, e.RequestID)
	r.requestID = e.RequestID
	return out.decode(r)
}

// describe describes a body without showing any of it.
func describe(resp *http.Response, body []byte) string {
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return fmt.Sprintf("%d bytes of %s", len(body), name(cmp.Or(kind, "no content type")))
}

// redirectHost returns the host that a redirect leads to, without the rest of the URL.
func redirectHost(h http.Header) string {
	u, err := url.Parse(h.Get("Location"))
	if err != nil || u.Host == "" {
		return "a path of the same host"
	}
	return name(u.Scheme + "://" + u.Host)
}
