package stsquery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
)

// attempt sends a request once and reads the answer. It returns nil if there
// was a result, and that was decoded.
func (c *Client) attempt(ctx context.Context, r *request, creds stschain.Credentials, decode decoder) (failure *Error, class failureClass) {
	ctx, end := stschain.Step{Kind: stschain.StepRequest, Name: r.op.name + " " + r.to.url.Host}.Start(ctx)
	defer func() {
		if failure != nil {
			end(stschain.Credentials{}, failure)
			return
		}
		end(creds, nil)
	}()
	late := timeoutError{c.timeout()}
	bounded, cancel := context.WithTimeoutCause(ctx, c.timeout(), late)
	defer cancel()

	d := c.date()
	req, err := c.newRequest(bounded, r, creds, d)
	if err != nil {
		return &Error{Err: err}, final
	}
	failure = c.exchange(req, r.op, &d, decode)
	if failure == nil {
		return nil, none
	}
	class = classify(r.op, failure)
	if class == final {
		class = d.classify(failure.Code)
	}
	words := wordsToHide(req, r.query, creds)
	switch lost, ok := failure.Err.(*lostError); {
	case ok && ctx.Err() != nil:
		failure.Err, class = ended(ctx), final
	case ok:
		timedOut := bounded.Err() != nil && !errors.Is(lost.err, late)
		lost.err = words.cleanError(lost.err)
		if timedOut {
			lost.err = fmt.Errorf("%w: %w", late, lost.err)
		}
	case failure.Err != nil:
		failure.Err = words.cleanError(failure.Err)
	}
	for _, s := range []*string{&failure.Code, &failure.Message, &failure.Type, &failure.RequestID} {
		*s = words.clean(*s)
	}
	return failure, class
}

// newRequest makes the request of one attempt, signed for this moment.
func (c *Client) newRequest(ctx context.Context, r *request, creds stschain.Credentials, d date) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.to.url.String(), bytes.NewReader(r.query.form))
	if err != nil {
		return nil, invalidf("Client.Endpoint is no URL that a request can be made for")
	}
	req.Header = http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"},
		"User-Agent":   {"stschain"},
	}
	if r.op.unsigned {
		return req, nil
	}
	if err := c.signer.Sign(req, sigv4.PayloadHash(r.query.form), creds, d.signed()); err != nil {
		return nil, fmt.Errorf("the request cannot be signed: %w", err)
	}
	return req, nil
}

// wordsToHide are what no error about a request may show.
func wordsToHide(req *http.Request, q *query, creds stschain.Credentials) scrubber {
	authorization := req.Header.Get("Authorization")
	_, signature, _ := strings.Cut(authorization, "Signature=")
	words := []string{authorization, signature, creds.SecretAccessKey.Reveal(), creds.SessionToken.Reveal()}
	for _, s := range q.secrets {
		words = append(words, s.Reveal())
	}
	return newScrubber(words...)
}

// exchange sends a request and reads the answer.
func (c *Client) exchange(req *http.Request, op operation, d *date, decode decoder) *Error {
	resp, err := c.http.Do(req)
	if err != nil {
		return &Error{Err: &lostError{err}}
	}
	defer resp.Body.Close()
	c.compare(d, resp.Header)
	failure := &Error{
		StatusCode: resp.StatusCode,
		RequestID:  requestIDIn(resp.Header),
		RetryAfter: retryAfter(resp.Header),
	}
	body, err := readBody(resp)
	if err == nil {
		err = failure.read(resp, body, op, d.Skew, decode)
	}
	if err == nil && failure.Code == "" {
		return nil
	}
	failure.Err = err
	return failure
}

// readBody reads a body up to its bound.
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
		return nil, fmt.Errorf("the answer is larger than %d bytes, which none of STS is", maxBody)
	}
	return body.Bytes(), nil
}

// read takes a result out of an answer, or a fault into e.
func (e *Error) read(resp *http.Response, body []byte, op operation, skew wire.Skew, decode decoder) error {
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return fmt.Errorf("the answer is a redirect to %s, and redirects are not followed: set Client.Endpoint to where STS is", hostIn(resp.Header))
	}
	root, err := parseXML(body)
	if err == nil {
		if f, ok := faultOf(root); ok {
			e.Code, e.Message, e.Type = f.code, f.message, f.kind
			if f.requestID != "" {
				e.RequestID = f.requestID
			}
			return nil
		}
	}
	switch {
	case resp.StatusCode < 200 || resp.StatusCode >= 300:
		return fmt.Errorf("the answer is no error of STS, but %s", describe(resp, body))
	case len(bytes.TrimSpace(body)) == 0:
		return errors.New("the answer is empty")
	case err != nil:
		return fmt.Errorf("%w (%s)", err, describe(resp, body))
	}
	result, err := resultOf(root, op.name)
	if err != nil {
		return err
	}
	if id := requestIDOf(root); id != "" {
		e.RequestID = id
	}
	setBack(result, skew.Expiry())
	return decode(result, e.RequestID)
}

// describe tells what a body is without showing any of it.
func describe(resp *http.Response, body []byte) string {
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if kind == "" {
		kind = "no content type"
	}
	return strconv.Itoa(len(body)) + " bytes of " + name(kind)
}

// hostIn is where a redirect leads, without what else its URL may hold.
func hostIn(h http.Header) string {
	u, err := url.Parse(h.Get("Location"))
	if err != nil || u.Host == "" {
		return "a path of the same host"
	}
	return name(u.Scheme + "://" + u.Host)
}

// requestIDIn finds the ID that a server gave a request.
func requestIDIn(h http.Header) string {
	if id := h.Get("X-Amzn-Requestid"); id != "" {
		return id
	}
	return h.Get("X-Amz-Request-Id")
}

// timeoutError is an attempt that took too long. It is a net.Error.
type timeoutError struct{ after time.Duration }

func (t timeoutError) Error() string        { return fmt.Sprintf("no answer within %v", t.after) }
func (t timeoutError) Timeout() bool        { return true }
func (t timeoutError) Temporary() bool      { return true }
func (t timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }
