package wire

import (
	"context"
	"net/url"
	"time"
)

// Target is where a client of STS sends signed requests, and the measured skew of the server's clock.
type Target struct {
	URL             *url.URL // with the path, "/" if there is none, and the query of the endpoint
	Region, Service string   // of the signature
	Ahead           time.Duration
}

type targetKey struct{}

// WithTarget returns a context under which Presign of an STS client sets t and signs nothing, for
// package proof, which signs such requests itself.
func WithTarget(ctx context.Context, t *Target) context.Context {
	return context.WithValue(ctx, targetKey{}, t)
}

// TargetOf returns the target to set, or nil.
func TargetOf(ctx context.Context) *Target {
	t, _ := ctx.Value(targetKey{}).(*Target)
	return t
}
