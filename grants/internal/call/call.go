// Package call sends the signed requests of the grants, and reads the credentials in their responses.
package call

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/grants"
	"github.com/stschain-go/stschain/internal/flow"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
	"github.com/stschain-go/stschain/sigv4"
)

// Call is a GET request for credentials.
type Call struct {
	Operation   string // CreateSession
	Service     string // of the signature
	Region      string
	URL         *url.URL
	Header      http.Header
	Credentials stschain.CachedProvider // nil: they are missing
	HTTPClient  *http.Client
	MaxAttempts int
	Clock       stschain.Clock
	Server      *wire.ServerClock
}

// Do sends the request. If the credentials or the date that signed it are rejected, it is sent once more, signed with others.
func (c *Call) Do(ctx context.Context) (Result, error) {
	if c.Credentials == nil {
		return Result{}, flow.Missing("Credentials")
	}
	keys, err := c.retrieve(ctx)
	if err != nil {
		return Result{}, err
	}
	ahead := c.Server.Ahead()
	result, err := c.send(ctx, keys)
	refusal, ok := errors.AsType[*grants.Error](err)
	switch {
	case !ok:
		return result, err
	case sigv4.RejectsToken(refusal.Code, refusal.Message):
		c.Credentials.Invalidate(keys)
		other, retrieveErr := c.retrieve(ctx)
		if retrieveErr != nil || other == keys {
			return Result{}, err
		}
		keys = other
	case slices.Contains(dateCodes, refusal.Code) && (c.Server.Ahead()-ahead).Abs() > time.Minute:
	default:
		return Result{}, err
	}
	return c.send(ctx, keys)
}

// dateCodes are the codes that may reject the date of a signature.
var dateCodes = []string{"RequestTimeTooSkewed", "RequestExpired", "SignatureDoesNotMatch", "AccessDenied"}

func (c *Call) retrieve(ctx context.Context) (keys stschain.Credentials, err error) {
	ctx, end := stschain.Step{Provider: c.Credentials}.Start(ctx)
	keys, err = c.Credentials.Retrieve(ctx)
	if end(keys, err); err != nil {
		return stschain.Credentials{}, fmt.Errorf("no credentials to sign with: %w", err)
	}
	return keys, nil
}

func (c *Call) now() time.Time { return system.WallNow(c.Clock) }

func (c *Call) send(ctx context.Context, keys stschain.Credentials) (result Result, err error) {
	var secrets []stschain.Secret
	signer := sigv4.Signer{Service: c.Service, Region: c.Region}
	service := wire.Service{URL: c.URL, HTTPClient: c.HTTPClient, MaxAttempts: c.MaxAttempts, Now: c.now}
	err = service.Call(ctx, func() (wire.Request, error) {
		u := *c.URL
		signed := &http.Request{Method: http.MethodGet, URL: &u, Host: u.Host, Header: c.Header.Clone()}
		if signed.Header == nil {
			signed.Header = make(http.Header)
		}
		if err := signer.Sign(signed, sigv4.PayloadHash(nil), keys, c.now().Add(c.Server.Ahead())); err != nil {
			return wire.Request{}, err
		}
		secrets = []stschain.Secret{keys.SecretAccessKey, keys.SessionToken, stschain.NewSecret(signed.Header.Get("Authorization"))}
		return wire.Request{Method: signed.Method, Header: signed.Header, Secrets: secrets}, nil
	}, func(got wire.Response) (err error) {
		c.Server.Compare(got)
		if result, err = Parse(got.Body); err == nil && got.Status == http.StatusOK {
			if corrected := result.Credentials.Expires.Add(-c.Server.Ahead()); corrected.Year() <= 9999 { // the end of RFC 3339
				result.Credentials.Expires = corrected
			}
			result.Header = got.Header
			return nil
		}
		return c.refuse(got, err, secrets)
	})
	if _, ok := errors.AsType[*grants.Error](err); err != nil && !ok {
		if strings.HasPrefix(err.Error(), c.URL.Host+": ") {
			err = errors.Unwrap(err)
		}
		err = &grants.Error{Operation: c.Operation, Host: c.URL.Host, Err: err}
	}
	return result, err
}

// refuse returns the error of a response without credentials.
func (c *Call) refuse(got wire.Response, err error, secrets []stschain.Secret) error {
	refusal := &grants.Error{Operation: c.Operation, Host: c.URL.Host, StatusCode: got.Status, RequestID: redact.OneLine(redact.Text(got.Header.Get("X-Amz-Request-Id"), secrets), 64)}
	if fault, ok := errors.AsType[*fault](err); ok {
		if !redact.Shows(fault.code, secrets) {
			refusal.Code = redact.OneLine(fault.code, 64)
		}
		refusal.Message = redact.Text(fault.message, secrets)
		return refusal
	}
	if err == nil {
		err = errors.New("unexpected status for a response with credentials")
	}
	if root, ok := err.(unexpectedRoot); ok {
		err = unexpectedRoot(redact.Text(string(root), secrets))
	}
	refusal.Err = err
	return refusal
}
