// Package unattended marks the context of a refresh that nobody waits for, so
// that whoever would have to ask a person does not ask.
package unattended

import "context"

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
