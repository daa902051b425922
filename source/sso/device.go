package sso

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

const (
	deviceGrant   = "urn:ietf:params:oauth:grant-type:device_code"
	defaultEvery  = 5 * time.Second // between two requests (RFC 8628, 3.2)
	slowDownStep  = 5 * time.Second // RFC 8628, 3.5
	slowestPolls  = time.Minute     // while the service cannot be reached
	maxCodeLife   = time.Hour
	maxUserCode   = 64
	maxPageLength = 8192
)

// beginDevice calls StartDeviceAuthorization. If the service does not know the cached client it registers another
// one: by a clock that is behind, an expired registration looks valid.
func (p *Pending) beginDevice(ctx context.Context) error {
	for fresh := false; ; fresh = true {
		var err error
		if p.client, err = p.login.registered(ctx, p.at, fresh); err != nil {
			return err
		}
		response, err := p.startDevice(ctx)
		if err == nil || !p.client.cached || kind(response) != invalidClient {
			return err
		}
	}
}

func (p *Pending) startDevice(ctx context.Context) (wire.Response, error) {
	var result struct {
		DeviceCode              string `json:"deviceCode"`
		UserCode                string `json:"userCode"`
		VerificationURI         string `json:"verificationUri"`
		VerificationURIComplete string `json:"verificationUriComplete"`
		ExpiresIn               int64  `json:"expiresIn"` // seconds
		Interval                int64  `json:"interval"`  // seconds
	}
	began := time.Now()
	response, err := p.login.call(ctx, p.at, "device_authorization", p.login.MaxAttempts, map[string]any{
		"clientId": p.client.id.Reveal(), "clientSecret": p.client.secret.Reveal(), "startUrl": p.login.StartURL,
	}, &result, p.client.secret)
	if err != nil {
		return response, err
	}
	page := result.VerificationURIComplete
	if page == "" {
		page = result.VerificationURI
	}
	life := seconds(result.ExpiresIn, codeLife, maxCodeLife)
	switch {
	case result.DeviceCode == "":
		err = invalid(p.at, "it has no deviceCode")
	case result.UserCode == "" || len(result.UserCode) > maxUserCode || strings.ContainsFunc(result.UserCode, func(r rune) bool { return !unicode.IsGraphic(r) }):
		err = invalid(p.at, "userCode is missing or cannot be shown")
	case !isPage(page):
		err = invalid(p.at, "verificationUriComplete is not an https URL")
	}
	p.URL, p.UserCode, p.code = page, result.UserCode, stschain.NewSecret(result.DeviceCode)
	p.Expires, p.expiry = response.Sent.Add(life), began.Add(life)
	p.every = seconds(result.Interval, defaultEvery, slowestPolls)
	return response, err
}

// seconds returns a number of seconds as a duration, or the default if it is not positive.
func seconds(n int64, otherwise, most time.Duration) time.Duration {
	if n < 1 {
		return otherwise
	}
	return time.Duration(min(n, int64(most/time.Second))) * time.Second
}

// isPage reports whether a browser may be sent to a URL: the program that opens it would run what other schemes name.
func isPage(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxPageLength && u.User == nil && wire.IsHost(u.Hostname()) &&
		(u.Scheme == "https" || u.Scheme == "http" && wire.IsLoopback(u.Hostname())) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'`<>\\^{|}", r) })
}

// waitDevice requests the token until the user has confirmed the code.
func (p *Pending) waitDevice(ctx context.Context) (wire.Response, error) {
	var last error // of the latest request that had no response
	for every := p.every; ; {
		if err := system.Sleep(ctx, every); err != nil {
			return wire.Response{}, joined(err, last)
		}
		response, err := p.token(ctx, 1, map[string]any{"grantType": deviceGrant, "deviceCode": p.code.Reveal()}, p.code)
		if err == nil {
			return response, nil
		}
		if ctx.Err() != nil {
			return wire.Response{}, joined(system.ContextErr(ctx), last)
		}
		k := kind(response)
		next, final := afterPoll(k, err, every)
		if final != nil {
			return wire.Response{}, final
		}
		last, every = nil, next
		switch k {
		case pending:
		case slowDown:
			p.every = every // also if Wait is called again
		default:
			last = err
		}
	}
}

// joined adds the error of the latest request, if there is one.
func joined(err, last error) error {
	if last == nil {
		return err
	}
	return fmt.Errorf("%w; the latest request for the token failed: %w", err, last)
}

// afterPoll decides what follows a request for the token that failed, of the kind and with the error: the next request
// follows after a time, or the error is final.
func afterPoll(kind string, err error, every time.Duration) (next time.Duration, final error) {
	switch {
	case kind == pending:
		return every, nil
	case kind == slowDown:
		return every + slowDownStep, nil
	case kind == accessDenied:
		return 0, stschain.Permanent(fmt.Errorf("the request was denied in the browser: %w", err))
	case kind == expiredToken:
		return 0, fmt.Errorf("%w: %w", errNotCompleted, err)
	case errors.Is(err, stschain.ErrPermanent):
		return 0, err
	}
	return min(2*every, max(every, slowestPolls)), nil // RFC 8628, 3.5: less often, if there is no response
}
