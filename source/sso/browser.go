package sso

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/guard"
	"github.com/stschain-go/stschain/internal/redact"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/wire"
)

// callback receives the redirect of the browser.
type callback struct {
	listener        net.Listener
	host            string // that the browser is redirected to
	state, verifier stschain.Secret
	came            chan redirect // the first valid one
}

// redirect is what the browser was redirected with: the authorization code, or why there is none.
type redirect struct {
	code stschain.Secret
	err  error
}

// beginBrowser opens the port that the browser is redirected to.
func (p *Pending) beginBrowser(ctx context.Context) error {
	var err error
	if p.client, err = p.login.registered(ctx, p.at, false); err != nil {
		return err
	}
	listen := p.login.listen
	if listen == nil {
		listen = func() (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
		}
	}
	listener, err := listen()
	if err != nil {
		return fmt.Errorf("cannot listen for the redirect of the browser; sign in by device code: %w", err)
	}
	p.back = &callback{
		listener: listener, host: listener.Addr().String(), came: make(chan redirect, 1),
		state: unguessable(16), verifier: unguessable(48), // 64 characters
	}
	scopes := strings.Join(p.login.Scopes, " ")
	if scopes == "" {
		scopes = defaultScope
	}
	challenge := sha256.Sum256([]byte(p.back.verifier.Reveal()))
	page := p.at.oidc.JoinPath("authorize")
	page.RawQuery = url.Values{
		"response_type": {"code"}, "client_id": {p.client.id.Reveal()}, "redirect_uri": {p.back.uri()}, "state": {p.back.state.Reveal()},
		"code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"scopes": {scopes}, // the service's name for it
	}.Encode()
	p.URL, p.Expires, p.expiry = page.String(), p.login.now().Add(codeLife), time.Now().Add(codeLife)
	return nil
}

// unguessable returns random bytes in base64url.
func unguessable(bytes int) stschain.Secret {
	b := make([]byte, bytes)
	rand.Read(b) // never fails
	return stschain.NewSecret(base64.RawURLEncoding.EncodeToString(b))
}

func (c *callback) uri() string { return "http://" + c.host + redirectPath }

// waitBrowser serves the callback until the browser was redirected to it, and exchanges the authorization code.
func (p *Pending) waitBrowser(ctx context.Context) (wire.Response, error) {
	back, err := p.back.wait(ctx)
	switch {
	case err != nil:
		if errors.Is(err, errNotCompleted) {
			p.forgetClient() // the service may have rejected it, with a page that only the user sees
		}
		return wire.Response{}, err
	case back.err != nil:
		return wire.Response{}, stschain.Permanent(back.err)
	}
	response, err := p.token(ctx, p.login.MaxAttempts, map[string]any{
		"grantType": codeGrant, "code": back.code.Reveal(), "codeVerifier": p.back.verifier.Reveal(), "redirectUri": p.back.uri(),
	}, back.code, p.back.verifier)
	if err != nil {
		switch kind(response) {
		case accessDenied:
			err = stschain.Permanent(fmt.Errorf("the request was denied: %w", err))
		case invalidClient:
			p.forgetClient()
		}
	}
	return response, err
}

// forgetClient removes a cached client, so that the next sign-in registers another one: by a clock that is behind, an
// expired registration looks valid.
func (p *Pending) forgetClient() {
	if path, err := p.login.registrationPath(); err == nil && p.client.cached {
		os.Remove(path)
	}
}

// wait serves until the first valid redirect, or until ctx ends.
func (c *callback) wait(ctx context.Context) (redirect, error) {
	server := &http.Server{
		Handler: c, ErrorLog: log.New(io.Discard, "", 0),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
	}
	server.SetKeepAlivesEnabled(false)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(c.listener) }()
	var back redirect
	var err error
	select {
	case back = <-c.came:
	case err = <-ended:
		return redirect{}, fmt.Errorf("the port of the redirect was closed: %w", err)
	case <-ctx.Done():
		err = system.ContextErr(ctx)
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second) // for the page to arrive
	defer cancel()
	if err != nil || server.Shutdown(bounded) != nil {
		server.Close()
	}
	<-ended
	return back, err
}

// ServeHTTP accepts the redirect. Other requests, which any page can send, are refused and change nothing.
func (c *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer") // the URL has the code
	header.Set("X-Content-Type-Options", "nosniff")
	back, status := c.read(r)
	page := http.StatusText(status)
	if status == http.StatusOK {
		select {
		case c.came <- back:
		default: // there was one before
		}
		page = "The sign-in continues in the program that began it. You can close this window."
		if back.err != nil {
			page = "The sign-in was not completed. You can close this window."
		}
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, "<!DOCTYPE html>\n<html lang=\"en\"><head><title>AWS IAM Identity Center</title></head><body><p>%s</p></body></html>\n", page)
}

// read decides whether a request is the redirect; 200: it is.
func (c *callback) read(r *http.Request) (redirect, int) {
	const most = 4096
	switch {
	case r.Host != c.host, guard.Forwarded(r):
		return redirect{}, http.StatusForbidden
	case r.URL.Path != redirectPath:
		return redirect{}, http.StatusNotFound
	case r.Method != http.MethodGet:
		return redirect{}, http.StatusMethodNotAllowed
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	state, code, refusal := query["state"], query["code"], query["error"]
	switch {
	case err != nil, len(state) != 1, len(code)+len(refusal) != 1,
		subtle.ConstantTimeCompare([]byte(state[0]), []byte(c.state.Reveal())) != 1:
		return redirect{}, http.StatusBadRequest
	case len(refusal) == 1:
		said := redact.Text(strings.Trim(refusal[0]+": "+query.Get("error_description"), ": "), []stschain.Secret{c.state, c.verifier})
		return redirect{err: fmt.Errorf("the browser was redirected with the error %s", said)}, http.StatusOK
	case code[0] == "" || len(code[0]) > most:
		return redirect{}, http.StatusBadRequest
	}
	return redirect{code: stschain.NewSecret(code[0])}, http.StatusOK
}
