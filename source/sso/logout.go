package sso

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"

	"github.com/stschain-go/stschain"
	"github.com/stschain-go/stschain/internal/system"
	"github.com/stschain-go/stschain/internal/tokenfile"
	"github.com/stschain-go/stschain/internal/wire"
)

// Logout ends the session at the portal and removes the file of the token, even if the portal cannot be reached. It
// is not an error if there is no token. Credentials of roles that were issued before stay valid until they expire.
func (l *Login) Logout(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, portalPatience, fmt.Errorf("timed out after %v", portalPatience))
	defer cancel()
	if err := l.logout(ctx); err != nil {
		return fmt.Errorf("sso: cannot sign out: %w", err)
	}
	return nil
}

func (l *Login) logout(ctx context.Context) error {
	at, err := l.places()
	if err != nil {
		return err
	}
	if _, err := os.Stat(at.file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := tokenfile.Lock(ctx, at.file) // a process that refreshes the token would write it again
	if err != nil {
		return fmt.Errorf("cannot lock %s: %w", at.file, err)
	}
	defer lock.Release()
	notRevoked := l.revoke(ctx, at)
	if err := os.Remove(at.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("cannot remove %s: %w", at.file, system.WithoutPath(err)), notRevoked)
	}
	if notRevoked != nil {
		return fmt.Errorf("the token was removed, but the session at the portal was not ended: %w", notRevoked)
	}
	return nil
}

// revoke calls the operation Logout of the portal.
func (l *Login) revoke(ctx context.Context, at places) error {
	doc, err := tokenfile.Read(ctx, at.file, nil)
	if err != nil {
		return err
	}
	access, err := doc.Text("accessToken")
	if err == nil {
		err = sendable(access)
	}
	if err != nil {
		return err
	}
	service := wire.Service{URL: at.portal.JoinPath("logout"), HTTPClient: l.HTTPClient, MaxAttempts: l.MaxAttempts, Now: l.now}
	_, err = call(ctx, service, wire.Request{
		Method: http.MethodPost, Header: http.Header{"X-Amz-Sso_bearer_token": {access.Reveal()}}, Secrets: []stschain.Secret{access},
	})
	if unauthorized(err) { // the session has ended
		return nil
	}
	return err
}
