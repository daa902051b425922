package sso

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/wire"
)

// call sends a request, retrying it if that may help. The error of a response other than 200 wraps a
// *wire.Refusal. The response is returned even with such an error.
func (p *Provider) call(ctx context.Context, to *url.URL, r wire.Request) (response wire.Response, err error) {
	service := wire.Service{URL: to, HTTPClient: p.HTTPClient, MaxAttempts: p.MaxAttempts, Now: p.now}
	r.Header.Set("Accept", "application/json")
	err = service.Call(ctx, func() (wire.Request, error) { return r, nil }, func(got wire.Response) error {
		response = got
		if got.Status == http.StatusOK {
			return nil
		}
		code, message := said(got)
		refusal := service.Refuse(got, code, message, r.Secrets...)
		if got.Status == http.StatusUnauthorized { // the portal may omit the code
			return stschain.Permanent(refusal)
		}
		return refusal.Marked()
	})
	return response, err
}

// said returns the code and the message of a refusal, for which the two services use different members.
func said(r wire.Response) (code, message string) {
	var doc struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Type        string `json:"__type"`
		Message     string `json:"message"`
	}
	if json.Unmarshal(r.Body, &doc) != nil {
		return "", ""
	}
	header, _, _ := strings.Cut(r.Header.Get("X-Amzn-Errortype"), ":")
	return cmp.Or(doc.Error, header, doc.Type[strings.LastIndex(doc.Type, "#")+1:]), cmp.Or(doc.Description, doc.Message)
}

// unauthorized reports whether the token was rejected.
func unauthorized(err error) bool {
	refusal, ok := errors.AsType[*wire.Refusal](err)
	return ok && refusal.Status == http.StatusUnauthorized
}
