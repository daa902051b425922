package sso

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/credjson"
	"github.com/stschain-go/stschain/internal/wire"
)

func (p *Provider) call(ctx context.Context, to *url.URL, r wire.Request) (wire.Response, error) {
	return call(ctx, wire.Service{URL: to, HTTPClient: p.HTTPClient, MaxAttempts: p.MaxAttempts, Now: p.now}, r)
}

// call sends a request, retrying it if that may help. The error of a response other than 200 wraps a
// *wire.Refusal. The response is returned even with such an error.
func call(ctx context.Context, service wire.Service, r wire.Request) (response wire.Response, err error) {
	r.Header.Set("Accept", "application/json")
	err = service.Call(ctx, func() (wire.Request, error) { return r, nil }, func(got wire.Response) error {
		response = got
		if got.Status == http.StatusOK {
			return nil
		}
		code, message := credjson.Said(got)
		refusal := service.Refuse(got, code, message, r.Secrets...)
		if got.Status == http.StatusUnauthorized { // the portal may omit the code
			return stschain.Permanent(refusal)
		}
		return refusal.Marked()
	})
	return response, err
}

// unauthorized reports whether the token was rejected.
func unauthorized(err error) bool {
	refusal, ok := errors.AsType[*wire.Refusal](err)
	return ok && refusal.Status == http.StatusUnauthorized
}
