package stschain

import (
	"errors"
	"fmt"
)

// Errors that callers branch on, with errors.Is.
var (
	// ErrPermanent marks a failure that a retry does not fix: a policy, a token or a
	// setting has to change first. See [Permanent].
	ErrPermanent = errors.New("stschain: permanent failure")

	// ErrThrottled marks a failure that calls for fewer requests: a throttling error code,
	// or HTTP status 429.
	ErrThrottled = errors.New("stschain: throttled")
)

// Unavailable returns the error of a provider that is not configured in this environment: its
// variables are unset, or no profile selects it. A [Chain] then calls the next provider. The
// arguments are those of fmt.Errorf.
//
// Only the error itself counts; see [IsUnavailable]. An error that wraps it is a failure, and stops a Chain.
func Unavailable(format string, args ...any) error {
	return &unavailableError{fmt.Errorf(format, args...)}
}

type unavailableError struct{ cause error }

func (e *unavailableError) Error() string { return e.cause.Error() }
func (e *unavailableError) Unwrap() error { return e.cause }

// IsUnavailable reports whether err was made by [Unavailable], or is a
// [*ChainError] in which every attempt was unavailable. It looks at err itself
// and never at what err wraps, so that a provider whose base credentials are
// not configured counts as a failure.
func IsUnavailable(err error) bool {
	_, unavailable := err.(*unavailableError)
	chain, _ := err.(*ChainError)
	return unavailable || chain != nil && chain.Unavailable()
}

// Permanent marks err as [ErrPermanent], and keeps its text. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ cause error }

func (e *permanentError) Error() string        { return e.cause.Error() }
func (e *permanentError) Is(target error) bool { return target == ErrPermanent }
func (e *permanentError) Unwrap() error        { return e.cause }
