package imds

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/refresh"
	"github.com/stschain-go/stschain/internal/wire"
)

const (
	tokenPath   = "/latest/api/token"
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	lifeHeader  = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	tokenLife   = 6 * time.Hour          // the longest that the service allows
	window      = 2 * time.Minute        // how long before it expires a token is refreshed
	firstPause  = 100 * time.Millisecond // between attempts, doubled each time
	maxToken    = 4 << 10                // bytes
)

// sessionToken is the token of version 2.
type sessionToken struct {
	value   stschain.Secret
	expires time.Time
}

func (t *sessionToken) Entry() refresh.Entry {
	if t == nil {
		return refresh.Entry{}
	}
	return refresh.Entry{ID: wire.Fingerprint(t.value), Expires: refresh.Expiry(t.expires)}
}

// unknownV2 is the error if the service may know version 1 only.
type unknownV2 struct{ error }

// statusError is a response with a status other than 200.
type statusError struct {
	url  string
	code int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s returned %d %s%s", e.url, e.code, http.StatusText(e.code), hint(e.code))
}

// refused returns the error of a status. A 4xx is permanent, unless it is retryable, the
// instance may get a role soon, or the service accepts another session token.
func (s *service) refused(path string, code int) error {
	var err error = &statusError{url: s.endpoint + path, code: code}
	if code/100 == 4 && !wire.Retryable(code) && code != http.StatusNotFound && code != http.StatusUnauthorized {
		return stschain.Permanent(err)
	}
	return wire.Throttled(code, err)
}

// get gets a document. If the service rejects the session token, it is replaced once.
func (s *service) get(ctx context.Context, path string) ([]byte, error) {
	for renewed := false; ; renewed = true {
		if err := s.session(ctx); err != nil {
			return nil, err
		}
		response, err := s.call(ctx, http.MethodGet, path, http.Header{tokenHeader: {s.token.Reveal()}}, s.token)
		switch {
		case err == nil && response.Status == http.StatusOK:
			return response.Body, nil
		case err == nil && response.Status == http.StatusUnauthorized && s.v1 == nil && !renewed:
			s.tokens.CompareAndDelete(s.place, s.cache) // unless another caller did
			continue
		case err == nil:
			err = s.refused(path, response.Status)
		}
		if s.v1 != nil {
			return nil, s.absent(ctx, fmt.Errorf("%s; and as version 1: %w", s.v1.Error(), err), s.v1, err)
		}
		return nil, err
	}
}

func hint(status int) string {
	switch status {
	case http.StatusForbidden:
		return ": the service is disabled for this instance, or a proxy refuses"
	case http.StatusUnauthorized:
		return ": it requires a session token of version 2"
	}
	return ""
}

// session sets the session token, or v1 and no token if version 1 is to be used.
func (s *service) session(ctx context.Context) error {
	if s.v1 != nil {
		return nil
	}
	kept, _ := s.tokens.LoadOrStore(s.place, new(wire.TokenCache[*sessionToken]))
	s.cache = kept.(*wire.TokenCache[*sessionToken])
	t, err := s.cache.Get(ctx, &wire.TokenSource[*sessionToken]{
		Advisory: window, Now: s.now, Refresh: s.newToken,
		Load: func(_ context.Context, cached *sessionToken) (*sessionToken, error) { return cached, nil },
	})
	if t != nil {
		s.token = t.value
	}
	if unknown, ok := errors.AsType[*unknownV2](err); ok && !s.noV1 {
		s.v1, err = unknown.error, nil
	}
	return err
}

// newToken gets a session token.
func (s *service) newToken(ctx context.Context, _ *sessionToken) (*sessionToken, error) {
	life := tokenLife
	sent := s.now()
	response, err := s.call(ctx, http.MethodPut, tokenPath, http.Header{lifeHeader: {strconv.Itoa(int(life.Seconds()))}}, stschain.Secret{})
	if none, ok := errors.AsType[*wire.NoResponse](err); ok {
		if none.Connected && none.TimedOut && !s.noV1 {
			return nil, &unknownV2{fmt.Errorf("%w (in a container the instance's hop limit must be 2 or more)", err)}
		}
		return nil, s.absent(ctx, err, err)
	}
	if err != nil {
		return nil, err
	}
	token := strings.TrimSpace(string(response.Body))
	switch {
	case (response.Status == http.StatusNotFound || response.Status == http.StatusMethodNotAllowed) && !s.noV1:
		return nil, &unknownV2{s.refused(tokenPath, response.Status)}
	case response.Status != http.StatusOK:
		return nil, s.refused(tokenPath, response.Status)
	case token == "" || len(token) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, fmt.Errorf("%s%s did not return a valid session token", s.endpoint, tokenPath)
	}
	if n, err := strconv.Atoi(response.Header.Get(lifeHeader)); err == nil && n >= 0 && n < int(life.Seconds()) {
		life = time.Duration(max(n, 1)) * time.Second
	}
	return &sessionToken{stschain.NewSecret(token), sent.Add(life)}, nil
}

// absent returns an Unavailable error around err if there was no response at the default
// endpoint: this is not an EC2 instance. Otherwise it returns err.
func (s *service) absent(ctx context.Context, err error, causes ...error) error {
	if s.configured || ctx.Err() != nil {
		return err
	}
	for _, cause := range causes {
		none, ok := errors.AsType[*wire.NoResponse](cause)
		if !ok || none.Connected && !none.TimedOut || exhausted(none) {
			return err
		}
	}
	return stschain.Unavailable("imds: %w", err)
}

// exhausted reports whether this process ran out of a resource before it could find out.
func exhausted(err error) bool {
	return slices.ContainsFunc([]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS}, func(errno error) bool {
		return errors.Is(err, errno)
	})
}

// call calls the service until the result is not retryable.
func (s *service) call(ctx context.Context, method, path string, header http.Header, token stschain.Secret) (response wire.Response, err error) {
	if token.IsZero() {
		header.Del(tokenHeader)
	}
	made := 0
	err = wire.Retry(ctx, max(s.attempts, s.probes), firstPause, func() (again bool, err error) {
		made++
		response, err = wire.Send(ctx, s.client, wire.Request{
			Method: method, URL: s.endpoint + path, Header: header, Timeout: s.timeout, Secrets: []stschain.Secret{token},
		})
		if none, ok := errors.AsType[*wire.NoResponse](err); ok {
			probing := method == http.MethodPut || token.IsZero()
			again = !probing || none.Connected && !none.TimedOut || made < s.probes
		} else if err == nil && wire.Retryable(response.Status) {
			again, err = true, s.refused(path, response.Status)
		}
		return again, err
	})
	if _, ok := errors.AsType[*statusError](err); !ok && err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s%s: %w", s.endpoint, path, err)
	}
	return response, err
}
