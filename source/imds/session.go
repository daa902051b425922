package imds

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/agent"
)

const (
	tokenPath   = "/latest/api/token"
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	lifeHeader  = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	tokenLife   = 6 * time.Hour          // the longest there is
	firstPause  = 100 * time.Millisecond // between tries, doubled each time
	maxToken    = 4 << 10                // bytes
)

// sessionToken is what version 2 asks for.
type sessionToken struct {
	endpoint string // it is from
	value    stschain.Secret
	ends     time.Time // when to ask for another one
}

// statusError is a response with another status than 200.
type statusError struct {
	url  string
	code int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s answered %d %s%s", e.url, e.code, http.StatusText(e.code), hint(e.code))
}

// refused returns the error of a status. A 4xx is permanent, unless it is retryable, the
// instance may get a role soon, or the service accepts another session token.
func (s *service) refused(path string, code int) error {
	var err error = &statusError{url: s.endpoint + path, code: code}
	if code/100 == 4 && !agent.Mends(code) && code != http.StatusNotFound && code != http.StatusUnauthorized {
		return stschain.Permanent(err)
	}
	return agent.Throttled(code, err)
}

// get asks for a document. A session token that the service no longer takes is renewed once.
func (s *service) get(ctx context.Context, path string) ([]byte, error) {
	for renewed := false; ; renewed = true {
		token, err := s.session(ctx)
		if err != nil {
			return nil, err
		}
		answer, err := s.ask(ctx, http.MethodGet, path, http.Header{tokenHeader: {token.Reveal()}}, token)
		switch {
		case err == nil && answer.Status == http.StatusOK:
			return answer.Body, nil
		case err == nil && answer.Status == http.StatusUnauthorized && s.v1 == nil && !renewed:
			s.drop(token)
			continue
		case err == nil:
			err = s.refused(path, answer.Status)
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
		return ": it is switched off for this instance, or something between keeps us out"
	case http.StatusUnauthorized:
		return ": it wants a session token of version 2"
	}
	return ""
}

// session returns the session token, asking for one if none is held. It is zero if version 1
// is to be spoken.
func (s *service) session(ctx context.Context) (stschain.Secret, error) {
	if held := s.secret(); !held.IsZero() || s.v1 != nil {
		return held, nil
	}
	life := strconv.Itoa(int(tokenLife.Seconds()))
	asked := s.now()
	answer, err := s.ask(ctx, http.MethodPut, tokenPath, http.Header{lifeHeader: {life}}, stschain.Secret{})
	if none, ok := errors.AsType[*agent.NoAnswer](err); ok {
		if none.Connected && none.TimedOut && !s.noV1 {
			s.v1 = fmt.Errorf("%w (in a container the instance's hop limit must be 2 or more)", err)
			return stschain.Secret{}, nil
		}
		return stschain.Secret{}, s.absent(ctx, err, err)
	}
	if err != nil {
		return stschain.Secret{}, err
	}
	switch token := strings.TrimSpace(string(answer.Body)); {
	case answer.Status != http.StatusOK:
		err := s.refused(tokenPath, answer.Status)
		if v2Unknown := answer.Status == http.StatusNotFound || answer.Status == http.StatusMethodNotAllowed; v2Unknown && !s.noV1 {
			s.v1 = err
			return stschain.Secret{}, nil
		}
		return stschain.Secret{}, err
	case token == "" || len(token) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return stschain.Secret{}, fmt.Errorf("%s%s answered with something else than a session token", s.endpoint, tokenPath)
	default:
		return s.keep(stschain.NewSecret(token), asked, answer.Header.Get(lifeHeader)), nil
	}
}

// absent returns an Unavailable error around err if there was no response at the default
// endpoint: this is not an EC2 instance. Otherwise it returns err.
func (s *service) absent(ctx context.Context, err error, causes ...error) error {
	if s.named || ctx.Err() != nil {
		return err
	}
	for _, cause := range causes {
		none, ok := errors.AsType[*agent.NoAnswer](cause)
		if !ok || none.Connected && !none.TimedOut || ours(none) {
			return err
		}
	}
	return stschain.Unavailable("imds: %w", err)
}

// ours reports whether we ran out of something before we could find out.
func ours(err error) bool {
	for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// ask asks until the answer is one that will not mend.
func (s *service) ask(ctx context.Context, method, path string, header http.Header, token stschain.Secret) (answer agent.Answer, err error) {
	if token.IsZero() {
		header.Del(tokenHeader)
	}
	tries := 0
	err = agent.Retry(ctx, max(s.attempts, s.probes), firstPause, func() (again bool, err error) {
		tries++
		answer, err = agent.Ask(ctx, s.client, agent.Request{
			Method: method, URL: s.endpoint + path, Header: header, Timeout: s.timeout, Secrets: []stschain.Secret{token},
		})
		if none, ok := errors.AsType[*agent.NoAnswer](err); ok {
			probing := method == http.MethodPut || token.IsZero()
			again = !probing || none.Connected && !none.TimedOut || tries < s.probes
		} else if err == nil && agent.Mends(answer.Status) {
			again, err = true, s.refused(path, answer.Status)
		}
		return again, err
	})
	if _, ok := errors.AsType[*statusError](err); !ok && err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s%s: %w", s.endpoint, path, err)
	}
	return answer, err
}

// secret is the session token that is held, zero if there is none of use.
func (s *service) secret() stschain.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token.endpoint != s.endpoint || !s.now().Before(s.token.ends) {
		return stschain.Secret{}
	}
	return s.token.value
}

// keep holds on to a token until shortly before it ends.
func (s *service) keep(token stschain.Secret, asked time.Time, seconds string) stschain.Secret {
	life := tokenLife
	if n, err := strconv.Atoi(seconds); err == nil && n >= 0 && n < int(tokenLife.Seconds()) {
		life = time.Duration(n) * time.Second
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = sessionToken{s.endpoint, token, asked.Add(life - min(2*time.Minute, life/2))}
	return token
}

// drop forgets a token that the service refused, if it is still the one that is held.
func (s *service) drop(token stschain.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token.value == token {
		s.token = sessionToken{}
	}
}
