// Package hide takes one meaning off an error and leaves the others.
package hide

import "errors"

// Sentinel returns err so that errors.Is no longer finds sentinel in it. A
// provider uses it for the errors of its inputs: that the base credentials of a
// role are not available is no reason to think that the role does not apply.
func Sentinel(err, sentinel error) error {
	if !errors.Is(err, sentinel) {
		return err
	}
	return hidden{err, sentinel}
}

// hidden has no Unwrap: errors.Is and errors.As reach what it holds through its
// own methods, and only there can it leave the sentinel out.
type hidden struct{ err, sentinel error }

func (h hidden) Error() string        { return h.err.Error() }
func (h hidden) Is(target error) bool { return target != h.sentinel && errors.Is(h.err, target) }
func (h hidden) As(target any) bool   { return errors.As(h.err, target) }
