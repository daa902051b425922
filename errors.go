package stschain

import (
	"context"
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
// variables are unset, no profile selects it. A [Chain] then calls the next provider. The
// arguments are those of fmt.Errorf.
//
// Only the error itself counts, see [IsUnavailable]. Whatever wraps it is a failure, and a
// Chain stops.
func Unavailable(format string, args ...any) error {
	return &unavailableError{fmt.Errorf(format, args...)}
}

type unavailableError struct{ error }

func (e *unavailableError) Unwrap() error { return e.error }

// IsUnavailable reports whether err was made by [Unavailable], or is a [*ChainError] whose
// every attempt was unavailable. It looks at err itself and never at what err wraps, so that a
// provider that fails because its own source of credentials is not configured does not pass
// for one that is not configured.
func IsUnavailable(err error) bool {
	switch err := err.(type) {
	case *unavailableError:
		return true
	case *ChainError:
		return err.Unavailable()
	}
	return false
}

// Permanent marks err as [ErrPermanent], and keeps its text. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ error }

func (e *permanentError) Is(target error) bool { return target == ErrPermanent }
func (e *permanentError) Unwrap() error        { return e.error }

// ended returns why ctx has ended.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == nil || cause == err {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
