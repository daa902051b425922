package ststest

import (
	"fmt"
	"slices"
	"strings"
)

// TB has the methods of a *testing.T that a Server uses.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Cleanup(func())
}

// NewTest returns a server that reports requests that no correct client sends
// with t.Errorf, from any goroutine, and is closed when the test ends.
func NewTest(t TB) *Server {
	s := New()
	s.report.t = t
	t.Cleanup(s.Close)
	return s
}

// AllowRefusals declares that the test provokes refusals with these codes
// ("SignatureDoesNotMatch", "ValidationError"), or any if none is named, so that
// a server made by [NewTest] does not report them. "UnexpectedSignature" is for
// signed calls of the operations that take no signature.
func (s *Server) AllowRefusals(codes ...string) {
	s.report.mu.Lock()
	defer s.report.mu.Unlock()
	s.report.allowed = append(s.report.allowed, codes...)
	s.report.all = s.report.all || len(codes) == 0
}

// complain reports a refusal that only an incorrect client gets.
func (s *Server) complain(what string, r *refusal) {
	if r == nil || !r.callersFault {
		return
	}
	text := fmt.Sprintf("refused %s: %s: %s", what, r.code, r.message)
	if r.detail != "" {
		text = strings.TrimSuffix(text, ".") + ": " + r.detail
	}
	s.warn(r.code, text)
}

// warn reports an error to the test, unless it allows the code.
func (s *Server) warn(code, what string) {
	s.report.mu.Lock()
	allowed := s.report.all || slices.Contains(s.report.allowed, code)
	s.report.mu.Unlock()
	if !allowed {
		s.errorf("ststest: %s", what)
	}
}

func (s *Server) errorf(format string, args ...any) {
	s.report.mu.Lock()
	defer s.report.mu.Unlock()
	if s.report.t != nil {
		s.report.t.Helper()
		s.report.t.Errorf(format, args...)
	}
}
