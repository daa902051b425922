// Package unattended marks the context of a refresh that nobody waits for, so
// that whoever would have to ask a person does not ask.
package unattended

import (
	"context"
	"errors"
)

// Err says that a person had to be asked, and was not.
var Err = errors.New("nobody waits for this refresh: the next caller who needs it will be asked")

type key struct{}

// Context returns ctx with the mark.
func Context(ctx context.Context) context.Context {
	if Is(ctx) {
		return ctx
	}
	return context.WithValue(ctx, key{}, true)
}

// Is reports whether ctx has the mark.
func Is(ctx context.Context) bool { return ctx.Value(key{}) != nil }
